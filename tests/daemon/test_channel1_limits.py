"""Nobody holds up channel 1: the slow, the idle, the many, and those who never say what they want."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.channel1_world import (
    NO_ANSWER,
    Authorities,
    Client,
    Identity,
    Listening,
    listening,
    request,
)
from tsm_gateway.daemon.channel1_routes import SERVICE
from tsm_gateway.daemon.channel_connections import Connections
from tsm_gateway.daemon.channel_errors import ChannelListenFailed, ChannelTlsUnusable
from tsm_gateway.daemon.channel_limits import Limits
from tsm_gateway.daemon.channel_listener import Channel, ChannelParts
from tsm_gateway.daemon.channel_metrics import ChannelMetrics
from tsm_gateway.daemon.channel_quiet import CAUSES_KNOWN, Quiet
from tsm_gateway.daemon.channel_rates import Rates
from tsm_gateway.daemon.channel_tls import listener_context
from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics

if TYPE_CHECKING:
    from tests.conftest import Deadline

MANY = 100_000
STATUS = request("GET", "/v1/status")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("channel1"))


@pytest.fixture(scope="module")
def me(authorities: Authorities) -> Identity:
    return authorities.identity()


def works(channel: Listening, me: Identity) -> bool:
    return channel.once(me, STATUS).status == 200


def drip(client: Client, octets: bytes, pause_s: float) -> float:
    """Send octet by octet until the other side has enough; seconds that took."""
    began = time.monotonic()
    client.sock.settimeout(pause_s)
    for octet in octets:
        try:
            client.send(bytes([octet]))
            if not client.sock.recv(4096):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    else:
        pytest.fail("never cut")
    return time.monotonic() - began


SLOW = {
    "head": STATUS,
    "empty lines": b"\r\n" * 200,
    "body": request("POST", "/v1/registration", b"x" * 200)[-200:],
}


@pytest.mark.parametrize("what", SLOW)
def test_a_request_that_drips_is_cut_in_time_and_nothing_is_asked(
    what: str, authorities: Authorities, me: Identity
) -> None:
    limits = Limits(request_s=0.4, idle_s=60, requests_per_minute=MANY)
    with listening(authorities, limits) as channel, channel.connect(me) as client:
        if what == "body":
            client.send(request("POST", "/v1/registration", b"x" * 200)[:-200])
        assert 0.3 < drip(client, SLOW[what], 0.03) < 3
        assert not channel.desk.asked
        assert channel.figure('connections_cut_total{reason="slow"}') == 1
        (told,) = channel.events("connection.cut")
        assert told["reason"] == "slow"
        assert works(channel, me)


def test_an_answer_that_is_not_fetched_does_not_hold_its_connection(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    limits = Limits(request_s=0.5, requests_per_minute=MANY)
    with listening(authorities, limits) as channel, channel.connect(me) as client:
        client.sock.settimeout(0.5)
        with suppress(OSError):
            client.send(request("GET", "/v1/openapi.json") * 10_000)
        deadline(lambda: channel.figure("connections") == 0, "cut")
        assert works(channel, me)


def test_a_use_case_that_hangs_ends_its_connection_only(authorities: Authorities, me: Identity) -> None:
    limits = Limits(request_s=0.3, requests_per_minute=MANY)
    with listening(authorities, limits) as channel:
        channel.desk.gate = channel.within(asyncio.Event)
        assert channel.once(me, STATUS) == NO_ANSWER
        channel.within(channel.desk.gate.set)
        assert works(channel, me)


def test_an_idle_connection_ends_in_good_order(authorities: Authorities, me: Identity) -> None:
    limits = Limits(idle_s=0.3, requests_per_minute=MANY)
    with listening(authorities, limits) as channel:
        with channel.connect(me) as never_asked, channel.connect(me) as asked:
            assert asked.ask("GET", "/v1/status").status == 200
            for client in (never_asked, asked):
                assert client.sock.recv(1) == b""  # close_notify, not a reset
        assert channel.figure('connections_cut_total{reason="idle"}') == 2
        assert works(channel, me)


def test_a_handshake_that_never_begins_is_ended_and_counted(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    limits = Limits(handshake_s=0.3, requests_per_minute=MANY)
    with listening(authorities, limits) as channel, channel.plain() as silent, channel.plain() as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        counted = 'handshakes_refused_total{reason="timeout"}'
        deadline(lambda: channel.figure(counted) == 2, counted)
        for sock in (silent, half):
            assert sock.recv(1) == b""
        assert works(channel, me)


def test_garbage_on_the_port_is_no_tls(authorities: Authorities, me: Identity, deadline: Deadline) -> None:
    with listening(authorities) as channel:
        for octets in (STATUS, b"\0" * 4096, b"\x80\x2e\x01\x00\x02" + bytes(50), b"SSH-2.0-x\r\n"):
            with channel.plain() as sock:
                sock.sendall(octets)
                assert not sock.recv(4096).startswith(b"HTTP")
        counted = 'handshakes_refused_total{reason="no-tls"}'
        deadline(lambda: channel.figure(counted) >= 3, counted)
        assert works(channel, me)


def test_a_handshake_cut_at_any_octet_leaves_the_port_open(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with listening(authorities) as channel:
        tls = channel.tls(me).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = outgoing.read()
        for length in range(0, len(hello) + 1, 16):
            with channel.plain() as sock:
                sock.sendall(hello[:length])
        deadline(lambda: channel.figure("handshakes_open") == 0, "all gone")
        assert works(channel, me)


def test_strangers_at_the_door_never_take_the_room_of_devices(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    limits = Limits(connections=8, handshake_s=30, requests_per_minute=MANY)
    with listening(authorities, limits) as channel, ExitStack() as stack, channel.connect(me) as client:
        assert client.ask("GET", "/v1/status").status == 200
        for _ in range(100):
            stack.enter_context(channel.plain())
        counted = 'handshakes_refused_total{reason="crowded"}'
        deadline(lambda: channel.figure(counted) == 100 - limits.handshakes, counted)
        assert client.ask("GET", "/v1/status").status == 200
        assert works(channel, me)
        told = channel.events("handshake.refused")
        assert len(told) < 10  # a line a second, whatever happens


def test_the_longest_idle_connection_gives_way_to_a_new_one(
    authorities: Authorities, deadline: Deadline
) -> None:
    limits = Limits(connections=3, requests_per_minute=MANY)
    devices = [authorities.identity() for _ in range(4)]
    with listening(authorities, limits) as channel, ExitStack() as stack:
        clients = [stack.enter_context(channel.connect(each)) for each in devices[:3]]
        for client in (clients[0], clients[2], clients[1], clients[0]):
            assert client.ask("GET", "/v1/status").status == 200
        assert works(channel, devices[3])
        assert clients[2].ended()
        assert clients[0].ask("GET", "/v1/status").status == 200
        assert clients[1].ask("GET", "/v1/status").status == 200
        deadline(lambda: channel.figure('connections_cut_total{reason="gave_way"}') == 1, "counted")


def test_with_nobody_idle_the_new_one_is_closed(authorities: Authorities, deadline: Deadline) -> None:
    limits = Limits(connections=2, requests_per_minute=MANY)
    devices = [authorities.identity() for _ in range(3)]
    with listening(authorities, limits) as channel, ExitStack() as stack:
        channel.desk.gate = channel.within(asyncio.Event)
        clients = [stack.enter_context(channel.connect(each)) for each in devices[:2]]
        for client in clients:
            client.send(STATUS)
        deadline(lambda: len(channel.desk.asked) == 2, "both are under way")
        assert channel.once(devices[2], STATUS) == NO_ANSWER
        assert channel.figure('handshakes_refused_total{reason="full"}') == 1
        channel.within(channel.desk.gate.set)
        assert [client.read().status for client in clients] == [200, 200]
        assert works(channel, devices[2])


def test_one_device_takes_its_own_room_only(authorities: Authorities, me: Identity) -> None:
    limits = Limits(per_device=2, requests_per_minute=MANY)
    other = authorities.identity()
    with listening(authorities, limits) as channel, ExitStack() as stack:
        neighbour = stack.enter_context(channel.connect(other))
        mine = [stack.enter_context(channel.connect(me)) for _ in range(3)]
        assert mine[0].ended()
        assert [each.ask("GET", "/v1/status").status for each in (mine[1], mine[2], neighbour)] == [200] * 3


def test_a_thousand_idle_connections_hurt_nobody(authorities: Authorities, me: Identity) -> None:
    limits = Limits(requests_per_minute=MANY, per_device=MANY)
    with listening(authorities, limits) as channel, ExitStack() as stack:
        crowd = [stack.enter_context(channel.connect(me)) for _ in range(1000)]
        assert channel.figure("connections") == 1000
        began = time.monotonic()
        assert all(works(channel, me) for _ in range(20))
        assert time.monotonic() - began < 4
        assert crowd[0].ask("GET", "/v1/status").status == 200
        assert crowd[-1].ask("GET", "/v1/status").status == 200


def test_draining_finishes_what_is_under_way_and_takes_nothing_new(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    with listening(authorities) as channel, ExitStack() as stack:
        channel.desk.gate = channel.within(asyncio.Event)
        busy, idle = (stack.enter_context(channel.connect(me)) for _ in range(2))
        busy.send(STATUS)
        deadline(lambda: channel.channel.waiting == 1, "under way")
        drained = asyncio.run_coroutine_threadsafe(channel.channel.drain(5.0), channel.loop)
        assert idle.ended()
        with pytest.raises(ConnectionRefusedError):
            channel.plain()
        channel.within(channel.desk.gate.set)
        answer = busy.read()
        assert answer.status == 200
        assert busy.ended()
        drained.result(5)


def test_draining_cuts_what_takes_too_long(
    authorities: Authorities, me: Identity, deadline: Deadline
) -> None:
    with listening(authorities) as channel, channel.connect(me) as client:
        channel.desk.gate = channel.within(asyncio.Event)
        client.send(STATUS)
        deadline(lambda: channel.channel.waiting == 1, "under way")
        channel.within(lambda: channel.channel.drain(0.1))
        assert client.read() == NO_ANSWER
        channel.within(channel.desk.gate.set)


def test_without_descriptors_it_pauses_and_goes_on(
    authorities: Authorities, me: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(authorities) as channel:
        real = channel.channel._listener
        troubles = [OSError(24, "Too many open files")]

        class Poor:
            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def accept(self) -> object:
                if troubles:
                    raise troubles.pop()
                return real.accept()  # type: ignore[union-attr]

        monkeypatch.setattr(channel.channel, "_listener", Poor())
        assert works(channel, me)
        (told,) = channel.events("listener.paused")
        assert told["error"] == "Too many open files"
        monkeypatch.setattr(channel.channel, "_listener", real)


def test_an_address_that_is_taken_says_so(authorities: Authorities) -> None:
    with listening(authorities) as channel:
        metrics = ChannelMetrics(ProvisioningMetrics())
        parts = ChannelParts(
            SERVICE,
            channel.desk,
            channel.admission,
            channel.context(),
            Limits(),
            channel.channel._parts.log,
            metrics,
        )

        async def start() -> None:
            async with Channel(("127.0.0.1", channel.port), parts):
                pass

        with pytest.raises(ChannelListenFailed):
            asyncio.run(start())


def test_files_that_are_no_pem_say_so(authorities: Authorities) -> None:
    server = authorities.server.path
    wrong = authorities.folder / "wrong.pem"
    wrong.write_bytes(b"nothing")
    for certificate, key in ((wrong, server), (server, wrong), (server, authorities.folder / "missing")):
        with pytest.raises(ChannelTlsUnusable):
            listener_context(certificate, key, [])
    with pytest.raises(ChannelTlsUnusable):
        listener_context(server, server, [b"no certificate"])


def test_with_no_issuer_nobody_gets_in(authorities: Authorities, me: Identity) -> None:
    with listening(authorities) as channel:
        bare = listener_context(authorities.server.path, authorities.server.path, [])
        channel.within(lambda: channel.channel.renew(bare, channel.limits))
        assert channel.once(me, STATUS) == NO_ANSWER


# the bookkeeping by itself


def test_a_bucket_gives_its_minute_at_once_and_then_evenly() -> None:
    rates = Rates(4)
    assert [rates.take("d", 100.0) for _ in range(5)] == [0, 0, 0, 0, 15]
    assert rates.take("d", 114.0) == 1
    assert rates.take("d", 115.0) == 0
    assert rates.take("d", 115.0) == 15
    assert rates.take("other", 115.0) == 0
    assert [rates.take("d", 1000.0) for _ in range(5)] == [0, 0, 0, 0, 15]


@given(
    st.integers(1, 50),
    st.lists(st.floats(0, 20, allow_nan=False, allow_infinity=False), min_size=1, max_size=200),
)
def test_no_minute_holds_more_than_twice_the_rate(per_minute: int, gaps: list[float]) -> None:
    rates, now, taken = Rates(per_minute), 0.0, []
    for gap in gaps:
        now += gap
        wait = rates.take("d", now)
        if not wait:
            taken.append(now)
        else:
            assert rates.take("d", now + wait) == 0 or wait > 60
            rates = Rates(per_minute)
            taken.clear()
    for start in taken:
        assert sum(start <= each < start + 60 for each in taken) <= 2 * per_minute


def test_buckets_are_bounded() -> None:
    rates = Rates(1, devices=3)
    for device in "abcd":
        assert rates.take(device, 0.0) == 0
    assert rates.take("d", 0.0) == 60
    assert rates.take("a", 0.0) == 0  # forgotten, hence full again
    assert len(rates._full_at) == 3


def test_a_cause_is_told_once_a_second_with_how_often_it_came() -> None:
    quiet = Quiet()
    assert [quiet.due("a", 10.0 + each / 10) for each in range(11)] == [1, *[0] * 9, 10]
    assert quiet.due("b", 10.5) == 1
    for each in range(3 * CAUSES_KNOWN):
        quiet.due(each, 20.0)
    assert len(quiet._said) <= CAUSES_KNOWN


class Dummy:
    def __init__(self, identity: str) -> None:
        self.identity = identity


def test_connections_know_who_waits_longest_and_forget_who_is_gone() -> None:
    table: Connections[Dummy] = Connections(Limits(connections=2, per_device=2, idle_s=10, request_s=5))
    first, second = Dummy("a"), Dummy("b")
    table.add(first, 1.0)
    table.add(second, 2.0)
    assert table.in_the_way("c") == (True, first)
    table.began(first, 3.0)
    table.began(first, 4.0)  # more octets of the same request
    assert (table.in_the_way("c"), table.busy) == ((True, second), 1)
    assert table.busy_too_long(7.9) == []
    assert table.busy_too_long(8.0) == [first]
    assert table.idle_too_long(12.0) == [second]
    table.answered(first, 9.0)
    table.answered(first, 10.0)
    assert table.idle_too_long(19.0) == [second, first]
    table.leaves(second)
    assert (len(table), list(table)) == (2, [first, second])
    table.remove(second)
    table.remove(second)
    assert (len(table), table.in_the_way("a"), table.since(second)) == (1, (False, None), 0.0)


def test_a_peer_that_gathers_small_segments_does_not_wait_for_a_late_acknowledgement(
    authorities: Authorities, me: Identity
) -> None:
    with listening(authorities) as channel:

        def seconds() -> float:
            with channel.connect(me) as client:  # Nagle's algorithm is on unless a client turns it off
                began = time.monotonic()
                assert client.ask("GET", "/v1/status").status == 200
                return time.monotonic() - began

        assert min(seconds() for _ in range(20)) < 0.035  # the kernel acknowledges after 40 ms otherwise
