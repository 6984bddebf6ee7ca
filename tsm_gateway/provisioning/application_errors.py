"""Why an application is not taken, not signed or not sent: one class for each cause."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class ApplicationError(TsmError):
    """An application cannot be delivered."""

    code, side, temporary = "application-error", Side.OURS, False


class CapMalformed(ApplicationError):
    """The file is no CAP file of one application."""

    code, side = "cap-malformed", Side.PEER

    def __init__(self, *, problem: str) -> None:
        """`problem` is a sentence for people; it holds no octets of the file but names and AIDs."""
        super().__init__()
        self.problem = problem

    def __str__(self) -> str:
        """The sentence itself."""
        return f"{self.problem} [{self.code}]"


class LoadFileTooLarge(ApplicationError):
    """The load file needs more blocks than a card can count (256)."""

    code = "load-file-too-large"

    def __str__(self) -> str:
        """With the numbers: octets of the load file, octets one block carries."""
        size, block = self.facts.get("size", "?"), self.facts.get("block", "?")
        return f"{self.__doc__} {size} octets do not fit 256 blocks of {block} octets. [{self.code}]"


class ApplicationKeyUnfit(ApplicationError):
    """The key is none that applications are signed with: EC P-256, or RSA of 2048 bits."""

    code = "application-key-unfit"


class ApplicationNotAuthentic(ApplicationError):
    """The signature is not by this key over this load file or command."""

    code = "application-not-authentic"


class ApplicationMismatch(ApplicationError):
    """The catalogue states other AIDs or another package version than the load file holds."""

    code = "application-mismatch"


class ReceiptNotAuthentic(ApplicationError):
    """The card's receipt for a change of its content is wrong, or is for another change."""

    code, side = "receipt-not-authentic", Side.PEER


class ReceiptMalformed(ApplicationError):
    """The card's receipt for a change of its content is not of the format."""

    code, side = "receipt-malformed", Side.PEER
