"""Rows of provisioning's tables to records and back, their checksums kept and compared.

A row is given in the order of its table's columns (store/schema_provisioning.py). Reading a damaged row
raises `RowDamaged`.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.registry.control import ControlArrival, ControlMessage, ControlState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import Delivery, KeyOrder, StoredPackage
from tsm_gateway.registry.registration import AuthMethod, Registration
from tsm_gateway.registry.suspension import Suspension, SuspensionKind
from tsm_gateway.store.checksum import row_crc
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = Sequence[Any]

OTHER_FORM: Final = "another form"
ELEMENT_COLUMNS: Final = 3  # of schema_provisioning.secure_element


def sealed(*values: bytes | str | int | None) -> tuple[Any, ...]:
    """A row: its values and their checksum."""
    return (*values, row_crc(*values))


def opened(table: str, row: Row) -> list[Any]:
    """The values of a row. Raises RowDamaged."""
    *values, crc = row
    if row_crc(*values) != crc:
        raise RowDamaged(table=table)
    return values


@contextmanager
def formed(table: str) -> Iterator[None]:
    """Around what takes a column apart: one in another form than this version writes is RowDamaged."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise RowDamaged(table=table, problem=OTHER_FORM) from None


def enrolment_row(enrolment: Enrolment) -> tuple[Any, ...]:
    """Columns of schema_provisioning.enrolment."""
    return sealed(*enrolment)


def read_enrolment(row: Row) -> Enrolment:
    """The enrolment of a row. Raises RowDamaged."""
    return Enrolment(*opened("enrolment", row))


def package_row(package: StoredPackage, unused_at: int) -> tuple[Any, ...]:
    """Columns of schema_provisioning.key_package."""
    ahead = package[:7]
    delivery = package.delivery.value
    return sealed(*ahead, delivery, package.made_at, package.confirmed_at, unused_at)


def read_package(row: Row) -> StoredPackage:
    """The package of a row. Raises RowDamaged."""
    *values, _ = opened("key_package", row)
    package = StoredPackage(*values)
    return package._replace(delivery=Delivery(package.delivery))


def unused_at(row: Row) -> int:
    """The highest PIV of a package's window while its key was not used."""
    return int(row[-2])


def registration_row(registration: Registration) -> tuple[Any, ...]:
    """Columns of schema_provisioning.registration."""
    named = [[each.method, each.handle_hash.hex(), each.enrolled_at] for each in registration.methods]
    ahead = registration[:4]
    return sealed(*ahead, json.dumps(named), registration.proof, registration.registered_at)


def read_registration(row: Row) -> Registration:
    """The registration of a row. Raises RowDamaged."""
    known = Registration(*opened("registration", row))
    with formed("registration"):
        rows = json.loads(str(known.methods))
        methods = tuple(AuthMethod(method, bytes.fromhex(handle), at) for method, handle, at in rows)
    return known._replace(methods=methods)


def element_row(se_id: bytes, device_id: str) -> tuple[Any, ...]:
    """Columns of schema_provisioning.secure_element."""
    return sealed(se_id, device_id)


def read_element(row: Row) -> tuple[bytes, str]:
    """The secure element of a row and whose it is. Raises RowDamaged."""
    se_id, device_id = opened("secure_element", row)
    return se_id, device_id


def read_claim(row: Row) -> tuple[str, bytes | None]:
    """Whose the secure element of a row is, and with which app SE that device registered; None: it did not.

    The row is one of secure_element with that of registration behind it. Raises RowDamaged.
    """
    _, device_id = read_element(row[:ELEMENT_COLUMNS])
    registered = row[ELEMENT_COLUMNS:]
    if registered[0] is None:
        return device_id, None
    known = Registration(*opened("registration", registered))
    return device_id, known.app_se


def suspension_row(suspension: Suspension) -> tuple[Any, ...]:
    """Columns of schema_provisioning.suspension."""
    device_id, kind, resumes_to, proof_wanted, since, reason = suspension
    return sealed(device_id, kind.value, resumes_to.value, int(proof_wanted), since, reason)


def read_suspension(row: Row) -> Suspension:
    """The suspension of a row. Raises RowDamaged."""
    device_id, kind, resumes_to, proof_wanted, since, reason = opened("suspension", row)
    back = DeviceState(resumes_to)
    return Suspension(device_id, SuspensionKind(kind), back, bool(proof_wanted), since, reason)


def order_row(order: KeyOrder) -> tuple[Any, ...]:
    """Columns of schema_provisioning.key_order."""
    return sealed(order.device_id, order.delivery.value, order.reason, order.ordered_at)


def read_order(row: Row) -> KeyOrder:
    """The order of a row. Raises RowDamaged."""
    device_id, delivery, reason, ordered_at = opened("key_order", row)
    return KeyOrder(device_id, Delivery(delivery), reason, ordered_at)


def arrival_row(arrival: ControlArrival) -> tuple[Any, ...]:
    """Columns of schema_provisioning.control_in."""
    return sealed(*arrival)


def read_arrival(row: Row) -> ControlArrival:
    """The confirmation of a row. Raises RowDamaged."""
    return ControlArrival(*opened("control_in", row))


def message_row(message: ControlMessage) -> tuple[Any, ...]:
    """Columns of schema_provisioning.control_out."""
    ahead, behind = message[:5], message[6:]
    return sealed(*ahead, message.state.value, *behind)


def read_message(row: Row) -> ControlMessage:
    """The control message of a row. Raises RowDamaged."""
    message = ControlMessage(*opened("control_out", row))
    return message._replace(state=ControlState(message.state))
