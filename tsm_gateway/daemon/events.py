"""The closed list of what the log can say: each event with its level, its fields and its meaning.

Names are `noun.verb_past`. `Log.emit` takes nothing that is not in this table. Every line of a message
carries `message_id`; the outcomes (accepted, refused, handed_over, failed, delivered) are one wide line
each. To add an event, add a row; to add a field, add it to `event_fields.FIELDS` first.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Self

from tsm_gateway.daemon.event_fields import FIELDS


class Level(IntEnum):
    """How loud an event is; the numbers are those of the standard library."""

    DEBUG = 10
    INFO = 20
    WARNING = 30  # somebody should look at it during the day
    ERROR = 40  # somebody should look at it now


# What every line about one payment may say; a field that is not known yet is left out.
_PAYMENT = "message_id device provider bearer kid piv sender parts attempts "
_CONTROL = "message_id device kid "
_DELIVERY = "device agent kind application version blocks attempts "
_LINK = "link host port reason "

D, I, W, E = Level.DEBUG, Level.INFO, Level.WARNING, Level.ERROR  # noqa: E741 - columns of the table


class Event(Enum):
    """One thing the log can say; `Event("link.bound")` finds it by name."""

    label: str
    level: Level
    level_name: str  # as written: "info"
    meaning: str
    fields: frozenset[str]

    def __new__(cls, label: str, level: Level, fields: str, meaning: str) -> Self:
        """A row of the table; `fields` are names from `FIELDS`, separated by blanks."""
        event = object.__new__(cls)
        event._value_ = event.label = label
        event.level, event.level_name, event.meaning = level, level.name.lower(), meaning
        event.fields = frozenset(fields.split())
        if not event.fields <= FIELDS.keys():
            raise ValueError(label)
        return event

    DAEMON_STARTED = "daemon.started", I, "version pid config", "the process runs, nothing is open yet"
    DAEMON_READY = "daemon.ready", I, "seconds links devices providers", "payments are taken"
    DAEMON_RELOADED = "daemon.reloaded", I, "changed count", "SIGHUP: the settings were read again"
    DAEMON_RELOAD_REFUSED = (
        "daemon.reload_refused",
        E,
        "file error problem changed",
        "SIGHUP: something that was read is not fit, so the settings from before stay in force",
    )
    DAEMON_STOPPING = "daemon.stopping", I, "signal waiting", "nothing new is taken, the rest is finished"
    DAEMON_STOPPED = "daemon.stopped", I, "seconds exit_code waiting", "the process ends"
    DAEMON_FAILED = "daemon.failed", E, "error problem where exit_code", "the process ends by a fault"
    CONFIG_INVALID = (
        "config.invalid",
        E,
        "file line key problem suggestion",
        "one problem of the configuration",
    )
    WATCHDOG_MISSED = "watchdog.missed", E, "loop seconds", "a loop made no progress: systemd is not fed"
    LIBRARY_LOGGED = "library.logged", W, "logger text error where", "a library had something to say"

    STORE_OPENED = "store.opened", I, "path schema epoch seconds", "the database is open and checked"
    STORE_RECOVERED = (
        "store.recovered",
        I,
        "messages segments seconds",
        "unfinished work was found and goes on",
    )
    STORE_FULL = "store.full", E, "path free_bytes count", "no room: payments are put off, none is lost"
    STORE_ROOM = "store.room", I, "path free_bytes seconds", "there is room again"
    STORE_BROKEN = (
        "store.broken",
        E,
        "path error problem",
        "a read or write failed: the process ends to recover",
    )
    STORE_CONFLICT = "store.conflict", W, "count", "another program moved a replay window: decided anew"
    STORE_PURGED = "store.purged", D, "rows seconds", "finished messages past their time were deleted"
    REGISTRY_CHANGED = (
        "registry.changed",
        I,
        "registry_version queue_version count",
        "an administrator's change",
    )

    LINK_CONNECT_FAILED = "link.connect_failed", W, _LINK + "count", "no connection, or TLS failed on it"
    LINK_BOUND = "link.bound", I, _LINK + "bind seconds", "the bind stands"
    LINK_BIND_REFUSED = "link.bind_refused", W, _LINK + "status count", "the message centre refused us"
    LINK_LOST = "link.lost", W, _LINK + "unanswered unknown seconds retry_in_s", "the connection is gone"
    LINK_UNBOUND = "link.unbound", I, _LINK + "unanswered unknown seconds", "ended in good order"
    LINK_THROTTLED = "link.throttled", W, _LINK + "status pause_s count", "asked to be slower: a pause"
    LINK_PAUSED = "link.paused", W, "link waiting", "reading stops until the store has caught up"
    LINK_RESUMED = "link.resumed", I, "link waiting", "reading goes on"
    PDU_REFUSED = "pdu.refused", W, _LINK + "command status count", "the peer broke the protocol: told so"
    PDU_IGNORED = "pdu.ignored", W, _LINK + "command count", "a response to nothing, or a generic_nack"
    ANSWER_OVERDUE = "answer.overdue", W, _LINK + "count", "told the radio to try again: we were too slow"
    SUBMIT_UNANSWERED = "submit.unanswered", W, _LINK + "count", "the peer never said what became of them"

    MESSAGE_INCOMING = (
        "message.incoming",
        D,
        "bearer sender number total reference octets",
        "a part came that waits for others",
    )
    PAYMENT_ACCEPTED = (
        "payment.accepted",
        I,
        _PAYMENT + "answer_ms age_s",
        "durable, and the radio was told so",
    )
    PAYMENT_REFUSED = "payment.refused", W, _PAYMENT + "reason", "consumed in silence"
    PAYMENT_POSTPONED = (
        "payment.postponed",
        W,
        "bearer count reason",
        "the radio was asked to try again later",
    )
    PAYMENT_HANDED_OVER = (
        "payment.handed_over",
        I,
        _PAYMENT + "provider_number provider_kid link smsc_ids handover_ms age_s",
        "every part was taken by the provider's side",
    )
    PAYMENT_DEFERRED = (
        "payment.deferred",
        W,
        _PAYMENT + "link fate status reason retry_in_s age_s",
        "not handed over; it is tried again",
    )
    PAYMENT_FAILED = (
        "payment.failed",
        E,
        _PAYMENT + "link fate status reason age_s",
        "given up; `queue retry`",
    )
    PAYMENT_DELIVERED = (
        "payment.delivered",
        I,
        _PAYMENT + "link delivery_ms age_s",
        "every part's receipt says delivered",
    )
    CONTROL_RECEIVED = (
        "control.received",
        I,
        _CONTROL + "bearer piv sender parts answer_ms",
        "a device says by short message that it has its key: kept for provisioning to judge",
    )
    CONTROL_SENT = (
        "control.sent",
        I,
        _CONTROL + "link parts attempts smsc_ids age_s",
        "every part of a key package was taken by the network",
    )
    CONTROL_DEFERRED = (
        "control.deferred",
        W,
        _CONTROL + "link attempts fate status retry_in_s age_s",
        "a key package was not taken; it is tried again",
    )
    CONTROL_FAILED = (
        "control.failed",
        E,
        _CONTROL + "link attempts fate status reason age_s",
        "a key package was given up; order a new one",
    )
    RECEIPT_UNMATCHED = "receipt.unmatched", D, "bearer state", "no part by that id yet: kept for a day"
    RECEIPT_FAILED = "receipt.failed", W, _PAYMENT + "link state error", "the network gave up on a part"
    PART_EXPIRED = (
        "part.expired",
        W,
        "bearer sender number total reference age_s",
        "the other parts never came",
    )
    PART_EVICTED = (
        "part.evicted",
        W,
        "bearer sender number total reference",
        "too many parts: the oldest went",
    )

    ENROLMENT_ACCEPTED = (
        "enrolment.accepted",
        I,
        "device issuer kid epoch",
        "a crypto SE became known and its first key is stored",
    )
    ENROLMENT_RENEWED = "enrolment.renewed", I, "device issuer", "a known device has new certificates"
    ENROLMENT_REPEATED = "enrolment.repeated", D, "device state", "a known device enrolled again"
    ENROLMENT_REFUSED = "enrolment.refused", W, "device error problem", "a crypto SE was not enrolled"
    KEY_PACKAGE_MADE = (
        "key_package.made",
        I,
        "device kid epoch delivery reason",
        "a device's new key is stored and sealed to it",
    )
    KEY_PACKAGE_FETCHED = "key_package.fetched", D, "device kid epoch", "a device took its key package"
    KEY_PACKAGE_REFUSED = "key_package.refused", W, "device error problem", "a device got no key package"
    CHALLENGE_ISSUED = "challenge.issued", D, "device kid epoch", "a device is to prove itself"
    CHALLENGE_REFUSED = "challenge.refused", W, "device error problem", "a device got no challenge"
    REGISTRATION_ACCEPTED = (
        "registration.accepted",
        I,
        "device kid epoch state bearer count",
        "a crypto SE proved itself and its key",
    )
    REGISTRATION_REFUSED = (
        "registration.refused",
        W,
        "device kid bearer error problem",
        "a proof was not believed, or came at a wrong time",
    )
    STATUS_REFUSED = "status.refused", W, "device error problem", "a device was not told where it stands"
    REKEY_ORDERED = "rekey.ordered", I, "device kid delivery reason", "a key is due to be replaced"
    REKEY_GIVEN_UP = (
        "rekey.given_up",
        W,
        "device kid count",
        "a device confirmed none of its last new keys: the policy orders no other one",
    )
    REKEY_CONFIRMED = (
        "rekey.confirmed",
        I,
        "device kid epoch",
        "a device uses its new key: no proof is awaited",
    )
    REKEY_POSTPONED = (
        "rekey.postponed",
        W,
        "device error problem retry_in_s",
        "a new key could not be made; it is tried again",
    )
    RESPONDER_SILENT = "responder.silent", W, "host reason", "an OCSP responder gave no answer of use"
    CERTIFICATE_EXPIRING = (
        "certificate.expiring",
        W,
        "issuer certificate text days",
        "a certificate or revocation list ends soon, or has ended",
    )

    DEVICE_REVOKED = (
        "device.revoked",
        W,
        "device state problem",
        "a device's certificate was revoked: the device is suspended",
    )
    CERTIFICATES_SWEPT = (
        "certificates.swept",
        I,
        "devices count seconds",
        "the certificates of all devices were looked at again; count is of those suspended",
    )
    CERTIFICATES_UNFIT = (
        "certificates.unfit",
        W,
        "error count",
        "so many devices pay on with a certificate that would not be taken any more",
    )

    DELIVERY_DONE = (
        "delivery.done",
        I,
        _DELIVERY + "seconds state",
        "a job on an app SE came to its end; state is the device's, where it moved by that",
    )
    DELIVERY_POSTPONED = (
        "delivery.postponed",
        W,
        _DELIVERY + "reason retry_in_s",
        "a job on an app SE did not come to its end; it is begun again",
    )
    DELIVERY_FAILED = "delivery.failed", E, _DELIVERY + "reason", "a job on an app SE was given up"
    DELIVERY_REFUSED = "delivery.refused", W, "device agent error problem", "an agent was given no script"
    DELIVERY_SESSION_ENDED = (
        "delivery.session_ended",
        I,
        "device agent scripts blocks seconds reason",
        "a session with an app SE is over",
    )
    EXCLUSION_ALARMED = (
        "exclusion.alarmed",
        E,
        "device agent application error problem text",
        "something was stopped on its way to an app SE, text names it; nothing of it was sent",
    )

    LISTENER_OPENED = "listener.opened", I, "channel host port", "a channel takes connections"
    LISTENER_PAUSED = "listener.paused", E, "channel error pause_s", "no connection could be taken: a pause"
    HANDSHAKE_REFUSED = (
        "handshake.refused",
        W,
        "channel host reason count",
        "no connection came of it; count tells of those since the line before, by the same reason",
    )
    IDENTITY_REFUSED = (
        "identity.refused",
        W,
        "channel host certificate device serial subject reason count",
        "TLS held, but the certificate is not believed: the connection ended without an answer",
    )
    CONNECTION_CUT = (
        "connection.cut",
        W,
        "host device agent reason seconds",
        "too slow, or gave way to another",
    )
    CONNECTION_IDLE = "connection.idle", D, "host device agent seconds", "closed: nothing was asked for long"
    REQUEST_ANSWERED = (
        "request.answered",
        I,
        "route http_status error device agent host octets answer_ms",
        "a channel answered; error is the code told, or of the cause that was not told",
    )
    REQUEST_FAILED = "request.failed", E, "route device agent error where", "a defect: the peer was told 500"
