"""What can be wrong with a request to the registry."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class AddressInvalid(TsmError):
    """This is no provider address: give "+" and 7 to 15 digits, a short code of 3 to 8, or "sp:name"."""

    code, side, temporary = "address-invalid", Side.PEER, False


class MoveNotAllowed(TsmError):
    """The state table has no such move from this state."""

    code, side, temporary = "move-not-allowed", Side.PEER, False


class NotKnown(TsmError):
    """The registry holds nothing by that name."""

    code, side, temporary = "not-known", Side.PEER, False


class AlreadyKnown(TsmError):
    """The registry holds something else by that name already."""

    code, side, temporary = "already-known", Side.PEER, False


class KeyNotWaiting(TsmError):
    """This key of the device does not wait for a proof: it was replaced, retired or confirmed before."""

    code, side, temporary = "key-not-waiting", Side.PEER, False


class SecureElementTaken(TsmError):
    """Another live device is registered with this secure element id."""

    code, side, temporary = "secure-element-taken", Side.PEER, False


class ElementsChanged(TsmError):
    """The device is registered with other secure elements: an operator has to free those first."""

    code, side, temporary = "elements-changed", Side.PEER, False


class ProofWanted(TsmError):
    """Only a fresh proof by the device's crypto SE ends this suspension."""

    code, side, temporary = "proof-wanted", Side.PEER, False
