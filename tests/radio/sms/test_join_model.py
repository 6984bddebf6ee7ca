"""The joiner does what the plain model does, whatever happens in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.radio.sms.driver import packet, part
from tests.radio.sms.join_model import Model
from tsm_gateway.radio.sms.join import Held, Joiner, JoinLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.messages import Segment

small_limits = st.builds(
    JoinLimits,
    per_sender=st.integers(2, 6),
    in_all=st.integers(3, 10),
    candidates=st.integers(1, 3),
    attempts=st.integers(1, 6),
    fair=st.integers(1, 3),
    stale_s=st.just(20),
    wait_s=st.just(100),
    remembered=st.integers(1, 8),
)
segments = st.builds(
    lambda place, body, reference, source: part(
        body, place[1], total=place[0], reference=reference, source=source
    ),
    st.sampled_from([(2, 1), (2, 2), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]),
    st.sampled_from([b"too short to tell", *(packet(name, 24) for name in ("one", "two", "three"))]),
    st.integers(0, 1),
    st.sampled_from(["+49170", "+49171", "+49172", "+49173"]),
)


class JoinerAgainstModel(RuleBasedStateMachine):
    @initialize(limits=small_limits)
    def begin(self, limits: JoinLimits) -> None:
        self.joiner, self.model = Joiner(limits), Model(limits)
        self.now, self.row = 1_000, 0
        self.seen: list[tuple[Held, ...]] = []
        self.held: dict[int, Held] = {}

    @rule(segment=segments)
    def offer(self, segment: Segment) -> None:
        self.row += 1
        expected = self.model.offer(self.row, segment, self.now)
        offered = self.joiner.offer(self.row, segment, self.now)
        combinations = list(offered.combinations)
        assert offered.kind is expected.kind
        assert (None if offered.held is None else offered.held.row) == expected.row
        assert [held.row for held in offered.evicted] == expected.evicted
        assert [[held.row for held in parts] for parts in combinations] == expected.combinations
        if offered.held is not None:
            self.held[offered.held.row] = offered.held
        self.seen += combinations

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def consume(self, data: st.DataObject) -> None:
        """Late ones too: parts of it may be gone by now."""
        parts = data.draw(st.sampled_from(self.seen))
        self.joiner.consume(parts)
        self.model.consume([held.segment for held in parts], rows_of(parts))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(sorted(self.held.values(), key=lambda each: each.row)))
        self.joiner.withdraw(held)
        self.model.withdraw(held.row)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def suspect(self, data: st.DataObject) -> None:
        parts = data.draw(st.sampled_from(self.seen))
        self.joiner.suspect(set(parts))
        self.model.suspect(rows_of(parts))

    @rule(seconds=st.one_of(st.integers(0, 40), st.integers(-200, 200)))
    def expire(self, seconds: int) -> None:
        """Time passes, or somebody sets the clock."""
        self.now += seconds
        assert rows_of(self.joiner.expire(self.now)) == self.model.expire(self.now)

    @rule(data=st.data())
    def mark_durable(self, data: st.DataObject) -> None:
        rows = data.draw(st.lists(st.integers(0, self.row)))
        self.joiner.mark_durable(rows)
        for each in self.model.parts:
            each.durable = each.durable or each.row in rows

    @rule()
    def restart(self) -> None:
        """What was durable is loaded again, nothing else."""
        stored = [(each.row, each.segment, each.received_at) for each in self.model.parts if each.durable]
        self.model.load(stored)
        self.joiner.load(stored)
        self.seen.clear()
        self.held = {held.row: held for held in self.joiner._shelf.rows.values()}

    @invariant()
    def both_hold_the_same(self) -> None:
        parts = self.model.parts
        waiting = self.joiner.waiting()
        assert waiting.parts == len(self.joiner) == len(parts)
        assert waiting.messages == len({each.key for each in parts})
        assert waiting.senders == len({each.segment.source for each in parts})
        assert waiting.suspects == len([each for each in parts if each.suspected])
        for each in parts:
            held = self.held[each.row]
            assert held.segment == each.segment
            assert (held.received_at, held.durable) == (each.received_at, each.durable)
            assert held.suspect == bool(each.suspected)
        first = min(parts, key=lambda each: each.turn, default=None)
        due = None if first is None else first.received_at + self.model.limits.wait_s + 1
        assert self.joiner.next_expiry() == due

    @invariant()
    def nothing_is_left_in_an_index(self) -> None:
        shelf = self.joiner._shelf
        parts = set(shelf.rows.values())
        assert {h for bodies in shelf.messages.values() for same in bodies.values() for h in same} == parts
        assert all(bodies and all(bodies.values()) for bodies in shelf.messages.values())
        assert all(shelf.trusted.values())
        assert all(shelf.suspected.values())
        crowds = {source: len(own) for source, own in shelf.trusted.items() if len(own) > shelf._fair}
        assert {source: level for level, own in shelf.crowds.items() for source in own} == crowds
        assert shelf._top == max(crowds.values(), default=shelf._fair)
        assert len(self.joiner._consumed) == self.model.remembered()


def rows_of(parts: Sequence[Held]) -> list[int]:
    return [held.row for held in parts]


TestJoinerAgainstModel = JoinerAgainstModel.TestCase
TestJoinerAgainstModel.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
