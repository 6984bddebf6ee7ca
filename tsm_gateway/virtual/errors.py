"""What the virtual parties refuse, one class per reason."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class VirtualError(TsmError):
    """A virtual party failed."""

    code, side = "virtual-failed", Side.OURS


class FormatMalformed(VirtualError):
    """The octets are not of the format."""

    code, side = "virtual-malformed", Side.PEER


class PacketNotAuthentic(VirtualError):
    """The packet does not open under this key."""

    code, side = "virtual-not-authentic", Side.PEER


class PaymentRefused(VirtualError):
    """The payment certificate does not hold."""

    code, side = "virtual-payment-refused", Side.PEER


class DeviceUnknown(VirtualError):
    """The payment was signed by a device this provider does not know."""

    code, side = "virtual-device-unknown", Side.PEER


class BiometricMismatch(VirtualError):
    """The captured sample does not match the enrolled template: no certificate is made."""

    code, side = "virtual-biometric-mismatch", Side.PEER


class TunnelBroken(VirtualError):
    """What came through the tunnel was not sent by the paired sensor, or was sent before."""

    code, side = "virtual-tunnel-broken", Side.PEER


class CounterExhausted(VirtualError):
    """The packet counter reached its end: the handset needs a new key."""

    code, side = "virtual-counter-exhausted", Side.OURS


class AmountInvalid(VirtualError):
    """Not an amount of this currency."""

    code, side = "virtual-amount-invalid", Side.OURS


class PartyFileInvalid(VirtualError):
    """Not a file of a virtual party."""

    code, side = "virtual-party-file-invalid", Side.OURS


class PackageRefused(VirtualError):
    """The key package is not for this element, not from its TSM, or older than what it holds."""

    code, side = "virtual-package-refused", Side.PEER


class NothingEnrolled(VirtualError):
    """No user is enrolled on the crypto element: there is nothing to prove."""

    code, side = "virtual-nothing-enrolled", Side.OURS


class KeyLost(VirtualError):
    """The crypto element and the gateway do not agree which key the element holds."""

    code, side = "virtual-key-lost", Side.OURS


class ChannelBroken(VirtualError):
    """The provisioning service was not reached, or broke off, again and again."""

    code, side, temporary = "virtual-channel-broken", Side.PEER, True


class ChannelRefused(VirtualError):
    """The provisioning service refused what the handset's agent asked."""

    code, side = "virtual-channel-refused", Side.PEER


class SmscFull(VirtualError):
    """The virtual SMSC stores no more undelivered parts."""

    code, side, temporary = "virtual-smsc-full", Side.OURS, True


class FaultSpecInvalid(VirtualError):
    """Not a fault the virtual SMSC knows."""

    code, side = "virtual-fault-spec-invalid", Side.OURS


class ApplicationNotInstalled(VirtualError):
    """The app element holds no payment application that may run."""

    code, side = "virtual-application-not-installed", Side.PEER


class CardTorn(VirtualError):
    """The card lost its power in the middle of a command."""

    code, side, temporary = "virtual-card-torn", Side.PEER, True


class ReaderUnreachable(VirtualError):
    """The virtual PC/SC reader does not take the card."""

    code, side, temporary = "virtual-reader-unreachable", Side.PEER, True


class DeliveryBrokenOff(VirtualError):
    """The session on channel 2 ended again and again before everything was delivered."""

    code, side, temporary = "virtual-delivery-broken-off", Side.PEER, True


class DeliveryIncomplete(VirtualError):
    """Something that is to be on the app element is not installed."""

    code, side, temporary = "virtual-delivery-incomplete", Side.PEER, True
