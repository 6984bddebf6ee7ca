"""What to do about each log event; what it means stands in `daemon.events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING = "Nothing."
_BY_ITSELF = "Nothing: it goes on by itself. If it is frequent, "

REMEDIES: Mapping[str, str] = {
    "daemon.started": _NOTHING,
    "daemon.ready": _NOTHING,
    "daemon.reloaded": "Restart the gateway for what is named `at the next start`.",
    "daemon.reload_refused": "Mend what its problem names, see `tsm-gateway config check`, and reload again. "
    "A new version of the master key was taken all the same, if `changed` says so.",
    "daemon.stopping": _NOTHING,
    "daemon.stopped": "Nothing; what was waiting is on disk and goes on at the next start.",
    "daemon.failed": "`explain` the code in its field error.",
    "config.invalid": "Mend the line it names; `tsm-gateway config check` lists all. A running gateway "
    "keeps its old settings.",
    "watchdog.missed": "systemd restarts the gateway and nothing is lost; report it with the lines before.",
    "library.logged": "Read its text; a traceback in it is a defect to report.",
    "store.opened": _NOTHING,
    "store.recovered": "Nothing; providers may get a packet twice and tell doubles by (kid, PIV).",
    "store.full": "Free disk space where the store lies.",
    "store.room": _NOTHING,
    "store.broken": "See the kernel's log for the disk; the next start recovers.",
    "store.conflict": _BY_ITSELF + "look whether a second gateway uses this store.",
    "store.purged": _NOTHING,
    "registry.changed": "Nothing; an administrator's command was taken over.",
    "link.connect_failed": "Run `tsm-gateway doctor`: host, port, firewall, TLS. It is tried again by "
    "itself.",
    "link.bound": _NOTHING,
    "link.bind_refused": "`explain` its status; compare system_id and password with the carrier's.",
    "link.lost": _BY_ITSELF + "ask the carrier; its idle limit must be above enquire_s.",
    "link.unbound": _NOTHING,
    "link.throttled": _BY_ITSELF + "set rate_per_s to what the contract says.",
    "link.paused": _BY_ITSELF + "the disk is too slow for this load: see answer_ms of payment.accepted.",
    "link.resumed": _NOTHING,
    "pdu.refused": _BY_ITSELF + "show the carrier command and status.",
    "pdu.ignored": _BY_ITSELF + "the peer answers too late: raise response_s.",
    "answer.overdue": _BY_ITSELF + "the disk or the machine is too slow for this load.",
    "submit.unanswered": "Nothing: they are sent again, with the same octets. If it is frequent, ask "
    "the carrier.",
    "message.incoming": _NOTHING,
    "payment.accepted": _NOTHING,
    "payment.refused": "`explain` its reason.",
    "payment.postponed": "`explain` its reason; the message centre sends them again.",
    "payment.handed_over": _NOTHING,
    "payment.deferred": _BY_ITSELF + "`explain` its status.",
    "payment.failed": "`explain` its status, remove the cause, then `queue retry ID`, or `queue drop ID`.",
    "payment.delivered": _NOTHING,
    "control.received": "Nothing; `tsm-gateway provisioning` judges it and has to run for that.",
    "control.sent": "Nothing; the device's confirmation follows.",
    "control.deferred": _BY_ITSELF + "`explain` its status.",
    "control.failed": "`explain` its status, compare the device's number, then order a new key: "
    "`device rekey`. For the reason `row-damaged`: `store check`.",
    "receipt.unmatched": _BY_ITSELF
    + "receipts spell ids differently: set receipt_id and response_id of the bind.",
    "receipt.failed": "Nothing: it is tried again. If one provider goes on, ask whether its phone is on.",
    "part.expired": "Nothing; the payer pays again. The carrier's report says what became of the part.",
    "part.evicted": "Look whether somebody floods the number; otherwise raise [relay] parts_per_sender.",
    "enrolment.accepted": _NOTHING,
    "enrolment.renewed": _NOTHING,
    "enrolment.repeated": _NOTHING,
    "enrolment.refused": "`explain` its error; the device's agent was told the same code.",
    "key_package.made": _NOTHING,
    "key_package.fetched": _NOTHING,
    "key_package.refused": "`explain` its error; the device's agent was told the same code.",
    "challenge.issued": _NOTHING,
    "challenge.refused": "`explain` its error; the device's agent was told the same code.",
    "registration.accepted": _NOTHING,
    "registration.refused": "`explain` its error. Often, from one device: its crypto SE or its agent is "
    "broken, or somebody tries to pass for it.",
    "status.refused": "`explain` its error.",
    "rekey.ordered": "Nothing; the key from before serves until the device confirms the new one.",
    "rekey.given_up": "Its old key serves on. See `device show`: is the phone in use, is its number right? "
    "Once it is reached again, `device rekey`; what it confirms then ends this. Else `device terminate`.",
    "rekey.confirmed": _NOTHING,
    "rekey.postponed": "`explain` its error: most often the device's certificate or its number has to be "
    "renewed.",
    "responder.silent": "Ask the SE issuer; until it answers, its `revocation` in the settings says whether "
    "its devices are taken.",
    "certificate.expiring": "See `tsm-gateway pki status`; renew ours with `pki renew`, ask the issuer for "
    "theirs, then reload provisioning (SIGHUP).",
    "device.revoked": "Ask the issuer why; `device terminate` ends it, `device resume` takes it back: then "
    "it is suspended again unless the issuer took the revocation back.",
    "certificates.swept": _NOTHING,
    "certificates.unfit": "`explain` the error. Devices with an expired certificate have to enrol with a new "
    "one; whoever was added by hand has no issuer here.",
    "delivery.done": _NOTHING,
    "delivery.postponed": _BY_ITSELF + "`explain` its reason.",
    "delivery.failed": "`explain` its reason, remove the cause, then `application retry`.",
    "delivery.refused": "`explain` its error. Nothing for a device that is suspended or terminated.",
    "delivery.session_ended": "Nothing; for another reason than `done` the lines of its jobs say more.",
    "exclusion.alarmed": "A defect, or somebody tampers: keep the store and the log, retire the version, "
    "and find out how what `text` names came into its load file or parameters. `explain` its error.",
    "listener.opened": _NOTHING,
    "listener.paused": "Raise LimitNOFILE= of the unit, or lower [provisioning] connections.",
    "handshake.refused": "`explain` its reason: what the peer did wrong. If it is a device of yours: look "
    "at its certificate, its issuer in [[provisioning.issuer]], its TLS version and its clock.",
    "identity.refused": "`explain` its reason. `device`, `serial` and `subject` are what the certificate "
    "says of itself, `certificate` begins its SHA-256.",
    "connection.cut": _BY_ITSELF + "the devices' network is slow: raise request_s, or connections.",
    "connection.idle": _NOTHING,
    "request.answered": "`explain` its error, if there is one.",
    "request.failed": "This is a defect: report it with the lines around it.",
}
