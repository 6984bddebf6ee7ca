"""Why payments are refused, how sessions and processes end: meaning and remedy of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.channel_handshakes import Refusal
from tsm_gateway.daemon.delivering import TAKEN_OVER
from tsm_gateway.daemon.delivery_reports import ENDED
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANYBODY = "Nothing, unless one sender goes on: anybody can send a short message to this number."

REASONS: Mapping[Reason, tuple[str, str]] = {  # reason -> (meaning, remedy)
    Reason.MALFORMED: ("Header, packet or payment certificate is not of the format.", _ANYBODY),
    Reason.NOT_FOR_US: (
        "It is plain text, or for another application port.",
        (
            "If every payment ends so, compare [gateway] application_port with the devices', and ask "
            "the carrier for 8-bit messages whose header is left alone."
        ),
    ),
    Reason.UNKNOWN_KEY: (
        "No key here has this kid.",
        "The device is of another gateway, or its key was replaced: `device show ID` lists its kids.",
    ),
    Reason.KEY_UNREADABLE: (
        "Our own record of the key does not open; the radio was asked to keep the message.",
        (
            "Run `key list` and `store check`; reload the gateway if a master key version was just added. "
            "If both are content, this release no longer reads the device's certificate: run the last one."
        ),
    ),
    Reason.KEY_RETIRED: (
        "The kid is known but no longer accepted.",
        (
            "Give the device its present key, or after `store resync --demand-new-keys` a new one with "
            "`device rotate-key`."
        ),
    ),
    Reason.NOT_AUTHENTIC: (
        "It was not sealed with the key its kid names, or was altered on the way.",
        "If one device goes on, key, id or application port differ between it and us: register it anew.",
    ),
    Reason.REPLAY: (
        "Its packet number is used up, or its certificate was seen before.",
        (
            "Nothing: it was forwarded once. A device that was reset must continue its counter, or get a "
            "new key."
        ),
    ),
    Reason.COUNTER_JUMP: (
        "Its packet number is too far ahead.",
        "Ask why the device skipped so many; then raise [relay] max_counter_jump, or give it a new key.",
    ),
    Reason.CERTIFICATE_INVALID: (
        "Signature or claims of the payment certificate do not hold.",
        (
            "If one device goes on, the certificate registered is not the one of its crypto SE: register "
            "it anew."
        ),
    ),
    Reason.ADDRESS_MISMATCH: (
        "The certificate is for another provider address than the message.",
        "Look at the payment application: it must take the address the crypto SE signed.",
    ),
    Reason.OWNER_MISMATCH: (
        "The certificate was issued by another device than the key's owner.",
        "Look into it: two devices share a key or a crypto SE. Suspend both until it is clear.",
    ),
    Reason.EXPIRED: (
        "It came after the payment certificate's end.",
        "The payer pays again. If it is frequent, compare the clocks, and ask the carrier about delays.",
    ),
    Reason.DEVICE_NOT_REGISTERED: (
        "The device has a key, but its crypto secure element has not registered yet.",
        "Let the phone finish its registration over channel 1; `device show ID` tells how far it is.",
    ),
    Reason.APPLICATION_NOT_DELIVERED: (
        "The device is registered, but no payment application was delivered to it yet.",
        "Deliver it, or say that it was delivered another way: `device activate ID --reason …`.",
    ),
    Reason.DEVICE_NOT_ACTIVE: (
        "The device is suspended, terminated or not active yet.",
        "`device show ID` says why; `device resume ID` when it may pay again.",
    ),
    Reason.PROVIDER_UNKNOWN: (
        "No provider has this address.",
        "`provider list` shows all addresses; add the provider, or the payer chose a wrong one.",
    ),
    Reason.PROVIDER_NOT_ACTIVE: (
        "The provider is suspended or retired.",
        "`provider show NAME` says why; `provider resume NAME` when it may be paid again.",
    ),
    Reason.AMOUNT_OVER_LIMIT: (
        "The amount is above the provider's limit.",
        "The payer splits the payment, or the provider's --amount-limit is too low.",
    ),
    Reason.BIOMETRIC_REQUIRED: (
        "The amount demands a biometric, and the payer was recognised otherwise.",
        "The payer approves with finger, face or iris; or the provider's --biometric-above is too low.",
    ),
    Reason.INCOMPLETE: (
        "Parts were still missing when their time was over.",
        "The payer pays again; the carrier's delivery report says what became of the part.",
    ),
    Reason.OVER_BOUND: (
        "The sender, or all together, had more unfinished parts than there is room for.",
        "Look whether somebody floods the number; otherwise raise [relay] parts_per_sender or parts_in_all.",
    ),
}

_OURS = "Nothing, unless it is a device of yours: "
HANDSHAKES: Mapping[Refusal, tuple[str, str]] = {  # those that are no error code -> (meaning, remedy)
    Refusal.NO_CERTIFICATE: (
        "The peer presented no certificate.",
        _OURS + "its agent has to present the signing certificate of its crypto SE.",
    ),
    Refusal.NOT_PROVED: (
        "The signature of the handshake does not fit the certificate presented.",
        _OURS + "its crypto SE signs with another key than its certificate's.",
    ),
    Refusal.VERSION: ("The peer speaks no TLS 1.3.", _OURS + "its agent needs TLS 1.3."),
    Refusal.NO_COMMON: (
        "No group, cipher or signature algorithm is known to both sides.",
        _OURS + "its agent needs the group secp256r1 and the signature algorithms of TLS 1.3.",
    ),
    Refusal.NO_TLS: ("What came was no TLS: plain HTTP, or any other octets.", _OURS + "it needs HTTPS."),
    Refusal.BY_PEER: (
        "The peer gave up: it does not believe our certificate, or could not go on.",
        _OURS + "it has to trust the root behind [provisioning] certificate; see `pki status`.",
    ),
    Refusal.TIMEOUT: (
        "The handshake took longer than [provisioning] handshake_s.",
        "Nothing. If devices of yours are that slow, raise handshake_s.",
    ),
    Refusal.CUT: ("The peer went away.", "Nothing: a network failed, or somebody looked at the port."),
    Refusal.CROWDED: (
        "Too many handshakes went on at once: the oldest gave way.",
        "Nothing if it was a moment; otherwise see whether somebody floods the port.",
    ),
    Refusal.FULL: (
        "No connection was free, and nobody was idle who could give way.",
        "Raise [provisioning] connections, with LimitNOFILE= of the unit.",
    ),
    Refusal.OTHER: (
        "The handshake failed for a reason that has no name here.",
        _OURS + "try it with `openssl s_client`, which says more.",
    ),
}

ENDS: Mapping[str, tuple[str, str]] = {  # of sessions on channel 2, no error codes -> (meaning, remedy)
    ENDED: ("All that was due on the app SE came to its end.", "Nothing."),
    TAKEN_OVER: (
        "The agent began a new session before the last one ended: that one is over, its job goes on.",
        (
            "Nothing, if it is now and then: a connection was cut, or the handset lost its power. If it "
            "happens again and again on one device, two agents work at one card, or its agent does not "
            "answer scripts."
        ),
    ),
}

EXITS: Mapping[Exit, tuple[str, str]] = {  # exit code -> (meaning, remedy)
    Exit.DONE: ("Done, or nothing to do.", "Nothing."),
    Exit.FAILED: ("Failed.", "Read the line on stderr; its code in brackets has a text of its own here."),
    Exit.USAGE: ("Command line or configuration is wrong.", "`--help`, or `tsm-gateway config check`."),
    Exit.DEGRADED: ("It works, but not everything does.", "`tsm-gateway status` and `doctor` say what."),
    Exit.NOT_FOUND: ("There is no such thing.", "Look with the verb `list`."),
    Exit.DENIED: ("The operating system did not let us.", "Run it as the gateway's user, or as root."),
    Exit.CONFLICT: (
        "It is in conflict with what is there.",
        "Look with the verb `show`; the line says what.",
    ),
    Exit.UNREACHABLE: ("The gateway does not answer.", "See `systemctl status tsm-gateway`."),
    Exit.STORE_BROKEN: (
        "The gateway ended because its store failed to read or write.",
        "See the kernel's log for the disk; the next start recovers.",
    ),
    Exit.STORE_REFUSED: (
        "The gateway did not start: the store was rolled back, is newer, or is none of ours.",
        "`tsm-gateway store check` says which; after a restored copy `tsm-gateway store resync`.",
    ),
    Exit.SELFTEST_FAILED: (
        "The gateway did not start: a cipher gave a wrong answer.",
        "Reinstall the cryptography library; check the machine's memory.",
    ),
    Exit.STUCK: (
        "The gateway ended because one of its loops made no progress.",
        "The next start recovers; report it with the log lines before.",
    ),
}
