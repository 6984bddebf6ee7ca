"""The life of a device at the command line: every state, every command, every story an operator lives."""

from __future__ import annotations

import os
import pwd
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.life import NOW, D, deliver, device_id, put, register, store_of
from tsm_gateway.cli.actor import operator
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.registry.device import DEVICE_MOVES, DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.store.control_store import insert_message

if TYPE_CHECKING:
    from tests.cli.conftest import Site
    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.registry.standing import Standing

NUMBER = "+4915550009988"
NOBODY = "d:ffffffffffffffff"
LIVE = frozenset(DeviceState) - {D.TERMINATED}


def standing(site: Site, name: str) -> Standing:
    with store_of(site) as store:
        found = store.provisioning.standing(name)
    assert found is not None
    return found


def orders(site: Site) -> list[KeyOrder]:
    with store_of(site) as store:
        return store.provisioning.orders(1000)


def audited(site: Site) -> list[AuditEntry]:
    with store_of(site) as store:
        return [each.entry for each in store.provisioning.audit()]


def state_after(site: Site, name: str) -> DeviceState:
    return standing(site, name).device.state


# command -> (arguments behind the id, states in which it is done, state it leads to; None = stays)
SUSPENDABLE = DEVICE_MOVES[DeviceMove.SUSPEND][0]
COMMANDS: dict[str, tuple[tuple[str, ...], frozenset[DeviceState], DeviceState | None]] = {
    "activate": ((), DEVICE_MOVES[DeviceMove.ACTIVATE][0], D.ACTIVE),
    "suspend": ((), SUSPENDABLE, D.SUSPENDED),
    "resume": ((), DEVICE_MOVES[DeviceMove.RESUME][0], D.ACTIVE),
    "terminate": (("--yes",), DEVICE_MOVES[DeviceMove.TERMINATE][0], D.TERMINATED),
    "lost": ((), SUSPENDABLE | {D.SUSPENDED}, D.SUSPENDED),  # one suspended already is lost from now on
    "stolen": ((), SUSPENDABLE | {D.SUSPENDED}, D.SUSPENDED),
    "number": ((NUMBER,), LIVE, None),
    "replace": ((device_id(99), "--yes"), LIVE, D.TERMINATED),
    "rekey": ((), LIVE, None),
}
ACTIONS = {
    "lost": "device.suspend",
    "stolen": "device.suspend",
    "number": "device.change-number",
    "rekey": "key.order",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_state_allows_a_command_or_refuses_and_audits_it(site: Site, command: str) -> None:
    arguments, allowed, target = COMMANDS[command]
    action = ACTIONS.get(command, f"device.{command}")
    for number, state in enumerate(DeviceState, 1):
        if command == "replace":
            put(site, 100 + number, D.ENROLLED, msisdn="")
            arguments = (device_id(100 + number), "--yes")
        name = put(site, number, state)
        before = len(audited(site))
        result = site("device", command, name, *arguments, "-o", "json")
        entry = [each for each in audited(site)[before:] if each.action == action][-1]
        if state in allowed:
            assert result.code == 0, (state, result)
            assert entry.outcome == "done"
            assert state_after(site, name) is (target or _moved_by_number(command, state))
        else:
            assert result.code == 6, (state, result)
            assert "[move-not-allowed]" in result.err
            assert (
                "already" in result.err
                or command in {"rekey", "number", "replace"}
                or ("allowed_from=" in result.err)
            ), result.err
            assert (entry.outcome, entry.reason, entry.subject) == ("refused", "move-not-allowed", name)
            assert state_after(site, name) is state
        assert entry.actor == _me()


def _moved_by_number(command: str, state: DeviceState) -> DeviceState:
    return D.SUSPENDED if command == "number" and state in {D.REGISTERED, D.ACTIVE} else state


def _me() -> str:
    return f"operator {pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_by_that_id_is_not_found_and_audited(site: Site, command: str) -> None:
    put(site, 99, D.ENROLLED, msisdn="")
    result = site("device", command, NOBODY, *COMMANDS[command][0])
    assert result.code == 4, result
    assert "[not-known]" in result.err
    assert "next:" not in result.err, "nothing was ordered"
    last = audited(site)[-1]
    assert (last.subject, last.outcome, last.reason) == (NOBODY, "refused", "not-known")


def test_what_is_no_device_id_never_gets_into_the_audit_log(site: Site) -> None:
    put(site, 1, D.ACTIVE)
    assert site("device", "suspend", "+4915550001167").code == 4
    last = audited(site)[-1]
    assert (last.subject, last.outcome) == ("not a device id", "refused")
    assert "0001167" not in str(last)


def test_of_several_devices_each_is_done_or_refused_by_itself(site: Site) -> None:
    first, ended, last = put(site, 1, D.ACTIVE), put(site, 2, D.TERMINATED), put(site, 3, D.KEYED)
    result = site("device", "suspend", first, ended, last, first, NOBODY, "-o", "json")
    assert result.code == 6
    assert [row["device"] for row in result.json] == [first, last]
    assert result.err.count("tsm-gateway: ") == 2
    assert (state_after(site, first), state_after(site, last)) == (D.SUSPENDED, D.SUSPENDED)


@pytest.mark.parametrize(("form", "lines"), [("jsonl", 2), ("table", 3)])
def test_rows_come_as_lines_too(site: Site, form: str, lines: int) -> None:
    names = [put(site, number, D.ACTIVE) for number in (1, 2)]
    result = site.done("device", "suspend", *names, "-o", form)
    assert len(result.out.splitlines()) == lines


@pytest.mark.parametrize(
    "arguments", [("terminate", "{0}"), ("replace", "{0}", "{1}"), ("rekey", "--all")], ids=str
)
def test_what_cannot_be_undone_is_asked_about(site: Site, arguments: tuple[str, ...]) -> None:
    names = put(site, 1, D.ACTIVE), put(site, 2, D.ACTIVE)
    result = site("device", *(each.format(*names) for each in arguments))
    assert (result.code, "Go on?" in result.err) == (130, True)
    assert "give --yes" in result.err
    assert state_after(site, names[0]) is D.ACTIVE
    assert orders(site) == []


def test_a_device_returns_to_the_state_it_was_suspended_in(site: Site) -> None:
    name = put(site, 1, D.REGISTERED)
    site.done("device", "suspend", name, "--reason", "unpaid")
    shown = site.done("device", "show", name, "-o", "json").json
    assert (shown["state"], shown["suspended_as"], shown["resumes_to"], shown["proof_wanted"]) == (
        "suspended",
        "suspended",
        "registered",
        False,
    )
    site.done("device", "resume", name)
    assert state_after(site, name) is D.REGISTERED
    assert orders(site) == []


@pytest.mark.parametrize("kind", ["lost", "stolen"])
def test_a_phone_found_again_gets_a_new_key_in_the_same_act(site: Site, kind: str) -> None:
    name = put(site, 1, D.ACTIVE)
    site.done("device", kind, name, "--reason", "call")
    found = standing(site, name).suspension
    assert found is not None
    assert (found.kind, found.proof_wanted, found.reason) == (SuspensionKind(kind), False, "call")
    assert orders(site) == []
    assert "new key" in site.done("device", "resume", name).err
    (order,) = orders(site)
    assert (order.device_id, order.delivery, order.reason) == (
        name,
        Delivery.CHANNEL,
        f"resumed after {kind}",
    )
    assert state_after(site, name) is D.ACTIVE


def test_providers_concerned_are_named_with_the_advice_to_tell_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid, idle = put(site, 1, D.ACTIVE), put(site, 2, D.ACTIVE)
    payments = {paid: [("bank", 3, NOW), ("shop", 1, NOW - 60)], idle: []}
    monkeypatch.setattr(
        "tsm_gateway.store.provisioning_store.ProvisioningStore.providers_of",
        lambda _self, name: payments[name],
    )
    result = site.done("device", "stolen", paid, idle)
    assert "bank" in result.out
    assert "shop" in result.out
    assert "tell these providers" in result.err
    assert f"{idle}: no payment" in result.err
    rows = site.done("device", "lost", paid, idle, "-o", "json").json
    assert [[each["provider"] for each in row["providers"]] for row in rows] == [["bank", "shop"], []]


def test_a_new_number_suspends_until_the_element_proves_itself(site: Site) -> None:
    name = put(site, 1, D.ACTIVE)
    keys = standing(site, name).keys
    result = site.done("device", "number", name, NUMBER, "--reason", "new SIM", "-o", "json")
    assert (result.json["state"], result.json["msisdn"]) == ("suspended", "+49…88")
    assert "proved itself" in result.err
    assert "--delivery sms" in result.err, "what helps a phone without a data connection"
    refused = site("device", "resume", name)
    assert refused.code == 6
    assert "[proof-wanted]" in refused.err
    assert "way out: " in refused.err
    assert audited(site)[-1].reason == "proof-wanted"
    assert standing(site, name).keys == keys
    with store_of(site) as store:
        register(store, name, 1, at=NOW + 9)
        store.flush()
    assert state_after(site, name) is D.ACTIVE
    assert NUMBER not in str(audited(site))


@pytest.mark.parametrize("number", ["0301234", "+49", "12345", "+0123456789", "++4930123456"])
def test_a_number_that_is_none_is_a_usage_error(site: Site, number: str) -> None:
    name = put(site, 1, D.ACTIVE)
    assert site("device", "number", name, number).code == 2
    assert state_after(site, name) is D.ACTIVE


def test_a_stolen_phone_with_a_number_owing_a_proof_does_not_come_back_by_it(site: Site) -> None:
    name = put(site, 1, D.ACTIVE)
    site.done("device", "number", name, NUMBER)
    site.done("device", "stolen", name)
    found = standing(site, name).suspension
    assert found is not None
    assert (found.kind, found.proof_wanted, found.resumes_to) == (SuspensionKind.STOLEN, False, D.KEYED)


def test_a_replaced_device_ends_and_its_number_moves(site: Site) -> None:
    old, new = put(site, 1, D.ACTIVE), put(site, 2, D.REGISTERED, msisdn="")
    rows = site.done("device", "replace", old, new, "--yes", "--reason", "new phone", "-o", "json").json
    assert [(row["device"], row["state"], row["msisdn"]) for row in rows] == [
        (old, "terminated", ""),
        (new, "registered", "+49…67"),
    ]
    assert {key.state for key in standing(site, old).keys} == {KeyState.RETIRED}
    assert site("device", "replace", old, new, "--yes").code == 6
    assert site("device", "replace", new, old, "--yes").code == 6
    assert site("device", "replace", new, NOBODY, "--yes").code == 4
    assert site("device", "replace", new, new, "--yes").code == 2
    assert state_after(site, new) is D.REGISTERED


def test_the_elements_of_a_terminated_device_are_free(site: Site) -> None:
    old = put(site, 1, D.ACTIVE)
    site.done("device", "terminate", old, "--yes")
    with store_of(site) as store:
        new = device_id(2)
    put(site, 2, D.KEYED)
    with store_of(site) as store:
        register(store, new, 1)
        store.flush()
    assert state_after(site, new) is D.REGISTERED


# --- rekey ---


def test_an_order_is_written_and_its_next_step_told(site: Site) -> None:
    name = put(site, 1, D.ACTIVE)
    result = site.done("device", "rekey", name, "--delivery", "sms", "--reason", "repaired")
    (order,) = orders(site)
    assert (order.device_id, order.delivery, order.reason) == (name, Delivery.SMS, "repaired")
    assert "no [provisioning] here" in result.err
    site.done("device", "rekey", name)  # a later order takes the place of an earlier one
    assert [each.delivery for each in orders(site)] == [Delivery.CHANNEL]


@pytest.mark.parametrize(("octets", "messages", "warned"), [(253, 2, False), (1400, 11, True)])
def test_it_is_told_in_how_many_short_messages_a_key_travels(
    site: Site, octets: int, messages: int, *, warned: bool
) -> None:
    name = put(site, 1, D.ACTIVE)
    with store_of(site) as store:
        deliver(site, store, name, 2, octets=bytes(octets))
        store.flush()
    told = site.done("device", "rekey", name, "--delivery", "sms").err
    assert f"travels in {messages} short messages" in told
    assert ("warning" in told) is warned
    assert "short messages" not in site.done("device", "rekey", name).err


@pytest.mark.parametrize(("days", "ordered"), [(6, 0), (8, 1)])
def test_all_are_those_too_whose_last_key_was_sent_a_week_ago_and_not_confirmed(
    site: Site, days: int, ordered: int
) -> None:
    name = put(site, 1, D.ACTIVE)
    with store_of(site) as store:
        kid, at = deliver(site, store, name, 2), int(time.time()) - days * 86_400
        message = ControlMessage(kid, name, kid, NUMBER, b"package", ControlState.SENT, 1, at, at, at, "")
        with store._writer.transaction() as cursor:
            insert_message(cursor, message)
        store.flush()
    assert site.done("device", "rekey", "--all", "--yes", "-o", "json").json["ordered"] == ordered


def test_a_key_cannot_be_sent_to_a_device_without_a_number(site: Site) -> None:
    name = put(site, 1, D.ACTIVE, msisdn="")
    refused = site("device", "rekey", name, "--delivery", "sms")
    assert (refused.code, "[number-wanted]" in refused.err) == (6, True)
    assert audited(site)[-1].reason == "number-wanted"
    assert orders(site) == []


def test_all_active_devices_get_orders_but_those_that_cannot_be_reached(site: Site) -> None:
    for number, state in enumerate((D.ACTIVE, D.ACTIVE, D.SUSPENDED, D.REGISTERED, D.TERMINATED), 1):
        put(site, number, state)
    put(site, 9, D.ACTIVE, msisdn="")
    result = site.done("device", "rekey", "--all", "--delivery", "sms", "--yes", "-o", "json")
    assert result.json == {"ordered": 2, "without_number": 1, "delivery": "sms"}
    assert {each.device_id for each in orders(site)} == {device_id(1), device_id(2)}


def test_old_keys_are_picked_by_their_age(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsm_gateway.cli.device_rekey.SLICE", 2)
    for number in range(1, 6):
        put(site, number, D.ACTIVE)
    fresh = site.add_device("--id", device_id(7))
    site.done("device", "rekey", "--all", "--older-than-days", 1, "--yes")
    assert {each.device_id for each in orders(site)} == {device_id(number) for number in range(1, 6)}
    assert fresh not in {each.device_id for each in orders(site)}


@pytest.mark.parametrize(
    "arguments", [(), (NOBODY, "--all"), (NOBODY, "--older-than-days", "3")], ids=["none", "both", "age"]
)
def test_ids_or_all_of_them(site: Site, arguments: tuple[str, ...]) -> None:
    put(site, 1, D.ACTIVE)
    assert site("device", "rekey", *arguments).code == 2
    assert orders(site) == []


# --- show ---


def test_show_tells_all_that_is_known(site: Site) -> None:
    name = put(site, 1, D.ACTIVE)
    with store_of(site) as store:
        kid = deliver(site, store, name, 2, at=NOW + 5)
        store.flush()
    shown = site.done("device", "show", name, "-o", "json").json
    assert (shown["issuer"], shown["crypto_se"], shown["app_se"]) == (
        "maker",
        b"crypto-00000001".hex(),
        b"app-00000001".hex(),
    )
    assert [(each["method"], each["handle_hash"]) for each in shown["methods"]] == [("fpt", "68" * 32)]
    assert [(key["epoch"], key["state"], key["package"]) for key in shown["keys"]] == [
        (2, "pending", "waiting"),
        (1, "current", "confirmed"),
    ]
    assert shown["keys"][0]["kid"] == kid.hex()
    table = site.done("device", "show", name).out
    for text in ("maker", "fpt", "waiting", "confirmed", kid.hex()):
        assert text in table


def test_show_tells_of_messages_on_their_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    name = put(site, 1, D.ACTIVE)
    message = ControlMessage(
        bytes(16), name, bytes(4), NUMBER, b"", ControlState.FAILED, 3, NOW, NOW, NOW, "gone"
    )
    monkeypatch.setattr(
        "tsm_gateway.store.provisioning_store.ProvisioningStore.controls", lambda _self, _name: [message]
    )
    result = site.done("device", "show", name, "-o", "json")
    (row,) = result.json["control_messages"]
    assert (row["state"], row["attempts"], row["reason"]) == ("failed", 3, "gone")
    assert NUMBER not in result.out


def test_a_device_added_by_hand_says_so(site: Site) -> None:
    name = site.add_device()
    shown = site.done("device", "show", name, "-o", "json").json
    assert (shown["issuer"], shown["crypto_se"], shown["methods"]) == ("by hand", None, [])
    assert shown["keys"][0]["package"] is None


# --- together ---


def test_two_operators_at_once_leave_one_done_and_one_told(site: Site) -> None:
    """Two processes want opposite things of the same devices: every act is whole, and in the log."""
    names = [put(site, number, D.ACTIVE) for number in range(1, 9)]
    failures: list[BaseException] = []

    def beside() -> None:
        try:
            with store_of(site, "operator two (uid 2)") as store:
                for name in names:
                    store.provisioning.terminate(name, reason="race", at=NOW + 10)
                    store.flush()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    result = site("device", "suspend", *names)
    thread.join()
    assert not failures
    assert result.code in {0, 6}
    assert {state_after(site, name) for name in names} == {D.TERMINATED}
    assert site.done("audit", "verify", "-o", "json").json["sound"]


def test_sudo_is_seen_through_for_root_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice\x1b[31m\n")
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert operator() == "operator alice31m (uid 1000, sudo)"
    monkeypatch.setenv("SUDO_UID", "1000) (uid 0")
    assert operator() == f"operator {pwd.getpwuid(0).pw_name} (uid 0)"
    monkeypatch.setattr("os.getuid", lambda: 4_242_424)
    assert operator() == "operator 4242424 (uid 4242424)"


def test_every_change_stands_in_the_audit_log_with_who_and_why(site: Site) -> None:
    name = put(site, 1, D.REGISTERED)
    site.done("device", "activate", name, "--reason", "card 7")
    site.done("device", "lost", name, "--reason", "call 8")
    told: list[Any] = site.done("audit", "list", "--subject", name, "--limit", 2, "-o", "json").json
    assert [(row["action"], row["reason"], row["outcome"]) for row in told] == [
        ("device.activate", "card 7", "done"),
        ("device.suspend", "call 8", "done"),
    ]
    assert {row["actor"] for row in told} == {_me()}


# --- secure elements ---


def test_an_operator_ends_a_claim_to_secure_elements(site: Site) -> None:
    name = put(site, 1, D.ACTIVE)
    shown = site("device", "elements", name, "-o", "json").json
    assert (shown["state"], shown["claimed"]) == ("active", True)
    result = site("device", "elements", name, "--forget", "--reason", "new card", "-o", "json")
    assert (result.code, result.json["claimed"], result.json["crypto_se"]) == (0, False, shown["crypto_se"])
    assert "suspend or terminate it" in result.err
    last = audited(site)[-1]
    assert (last.action, last.subject, last.reason) == ("device.forget-elements", name, "new card")
    assert dict(last.facts) == {"elements": f"{shown['crypto_se']} {shown['app_se']}"}
    assert state_after(site, name) is D.ACTIVE
    assert site("device", "elements", name, "--forget").code == 4
    assert (audited(site)[-1].outcome, audited(site)[-1].reason) == ("refused", "not-known")
    assert site("device", "elements", NOBODY).code == 4
