"""The fields of a TPDU, one behind the other."""

from __future__ import annotations

from tsm_gateway.radio.sms import timestamp
from tsm_gateway.radio.sms.address_octets import AddressOctetsMalformed, address_end
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed


class TpduReader:
    """Takes fields off the front of a TPDU; every method raises TpduMalformed and nothing else."""

    __slots__ = ("_at", "_tpdu")

    def __init__(self, tpdu: bytes) -> None:
        """Start at the first octet."""
        self._tpdu = tpdu
        self._at = 0

    def octet(self) -> int:
        """The next octet."""
        return self.octets(1)[0]

    def octets(self, count: int) -> bytes:
        """The next `count` octets."""
        end = self._at + count
        if end > len(self._tpdu):
            raise TpduMalformed(Flaw.CUT_SHORT, octets=len(self._tpdu))
        taken = self._tpdu[self._at : end]
        self._at = end
        return taken

    def address(self) -> bytes:
        """The whole address that stands here, 2 to 12 octets, whatever its value."""
        try:
            end = address_end(self._tpdu, self._at)
        except AddressOctetsMalformed as error:
            raise TpduMalformed(Flaw.ADDRESS, octets=len(self._tpdu)) from error
        return self.octets(end - self._at)

    def timestamp(self) -> timestamp.Timestamp | None:
        """The time that stands here; None when its octets are no date."""
        return timestamp.read_timestamp(self.octets(timestamp.LENGTH))

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.octets(len(self._tpdu) - self._at)
