"""What each SMPP 3.4 command_status (§5.1.3) says about us or the message centre, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.radio.smpp.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFECT = "Report it with the log lines around it: this gateway should never cause it."
_UNUSED = (
    "Nothing: it belongs to an operation this gateway does not use. If it comes all the same, ask the "
    "carrier."
)
_WAIT = "Nothing: it is tried again by itself. If it stays, ask the carrier."
_SOURCE = "Set source_address, source_ton and source_npi of the bind as the carrier demands."
_DESTINATION = (
    "See the provider's msisdn; set destination_ton and destination_npi of the bind as the carrier demands."
)
_LOGIN = "Compare system_id, password and system_type with the carrier's; its list of allowed addresses, too."

STATUSES: Mapping[Status, tuple[str, str]] = {  # status -> (meaning, remedy)
    Status.ROK: ("No error.", "Nothing."),
    Status.RINVMSGLEN: (
        "The message length is invalid.",
        "Ask the carrier for 140 octets of 8-bit data per part.",
    ),
    Status.RINVCMDLEN: ("The PDU's length is invalid.", _DEFECT),
    Status.RINVCMDID: (
        "The command is unknown or not allowed.",
        "Ask which binds the account may use; set bind.",
    ),
    Status.RINVBNDSTS: ("The command is not allowed in this bind state.", "Set bind as the account allows."),
    Status.RALYBND: (
        "The account is bound already.",
        "End the other session, or ask for more binds; it may time out.",
    ),
    Status.RINVPRTFLG: ("The priority flag is invalid.", _DEFECT),
    Status.RINVREGDLVFLG: (
        "The account may not ask for receipts.",
        "Ask the carrier, or leave out --receipt.",
    ),
    Status.RSYSERR: ("The message centre has a fault.", _WAIT),
    Status.RINVSRCADR: ("The source address is invalid.", _SOURCE),
    Status.RINVDSTADR: ("The destination address is invalid.", _DESTINATION),
    Status.RINVMSGID: ("The message id is invalid.", _UNUSED),
    Status.RBINDFAIL: ("The bind failed.", _LOGIN),
    Status.RINVPASWD: ("The password is wrong.", _LOGIN),
    Status.RINVSYSID: ("The system_id is wrong.", _LOGIN),
    Status.RCANCELFAIL: ("Cancelling failed.", _UNUSED),
    Status.RREPLACEFAIL: ("Replacing failed.", _UNUSED),
    Status.RMSGQFUL: (
        "The message queue is full.",
        "Nothing: it pauses and goes on. If it stays, ask the carrier.",
    ),
    Status.RINVSERTYP: (
        "The service type is invalid.",
        "Set service_type of the bind as the carrier demands.",
    ),
    Status.RINVNUMDESTS: ("The number of destinations is invalid.", _UNUSED),
    Status.RINVDLNAME: ("The distribution list is invalid.", _UNUSED),
    Status.RINVDESTFLAG: ("The destination flag is invalid.", _UNUSED),
    Status.RINVSUBREP: ("Submitting with replacement is not possible.", _UNUSED),
    Status.RINVESMCLASS: (
        "The esm_class is not allowed.",
        "Ask the carrier to allow a user data header (UDHI).",
    ),
    Status.RCNTSUBDL: ("The distribution list cannot be used.", _UNUSED),
    Status.RSUBMITFAIL: ("The submit failed.", _WAIT),
    Status.RINVSRCTON: ("The source's type of number is invalid.", _SOURCE),
    Status.RINVSRCNPI: ("The source's numbering plan is invalid.", _SOURCE),
    Status.RINVDSTTON: ("The destination's type of number is invalid.", _DESTINATION),
    Status.RINVDSTNPI: ("The destination's numbering plan is invalid.", _DESTINATION),
    Status.RINVSYSTYP: ("The system_type is wrong.", _LOGIN),
    Status.RINVREPFLAG: ("The replace_if_present flag is invalid.", _DEFECT),
    Status.RINVNUMMSGS: ("The number of messages is invalid.", _UNUSED),
    Status.RTHROTTLED: (
        "More messages came than the account allows.",
        "Set rate_per_s to what the contract says.",
    ),
    Status.RINVSCHED: ("The delivery time is invalid.", _DEFECT),
    Status.RINVEXPIRY: (
        "The validity is not allowed.",
        "Lower the provider's --validity, or 0 for the network's own.",
    ),
    Status.RINVDFTMSGID: ("The predefined message is unknown.", _UNUSED),
    Status.RX_T_APPN: (
        "The receiver has a temporary fault.",
        "From us: the store was busy, see the log. " + _WAIT,
    ),
    Status.RX_P_APPN: ("The receiver refuses for good.", "Ask the carrier why; then `queue retry ID`."),
    Status.RX_R_APPN: ("The receiver rejects this message.", "Ask the carrier why; then `queue retry ID`."),
    Status.RQUERYFAIL: ("The query failed.", _UNUSED),
    Status.RINVOPTPARSTREAM: ("The optional parameters cannot be read.", _DEFECT),
    Status.ROPTPARNOTALLWD: (
        "An optional parameter is not allowed.",
        "Ask the carrier which one it does not take.",
    ),
    Status.RINVPARLEN: ("A parameter's length is invalid.", _LOGIN),
    Status.RMISSINGOPTPARAM: ("An optional parameter is missing.", "Ask the carrier which one it demands."),
    Status.RINVOPTPARAMVAL: (
        "An optional parameter's value is invalid.",
        "Ask the carrier which one it means.",
    ),
    Status.RDELIVERYFAILURE: ("The message was not delivered.", _WAIT),
    Status.RUNKNOWNERR: ("The message centre cannot say what failed.", _WAIT),
}
VENDOR = ("A code of the vendor's own.", "The carrier's manual tells it; we count it as temporary.")
