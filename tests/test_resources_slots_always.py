"""What is true of the places for heavy work whatever happens, in whatever order."""

from __future__ import annotations

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.resources.slots import Slots
from tests.test_resources_slots import WORLDS, Office, settled
from tests.virtual_time import VIRTUAL

FEW = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from(WORLDS)),
        st.tuples(st.just("begin"), st.sampled_from(WORLDS)),
        st.tuples(st.sampled_from(["end", "cancel"]), st.integers(0, 30)),
        st.tuples(
            st.sampled_from(["lend", "reclaim", "pause", "proceed"]), st.sampled_from(WORLDS)
        ),
        st.tuples(st.just("resize"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["hold", "release"]), st.just("")),
        st.tuples(st.just("sleep"), st.sampled_from([0.1, 0.25, 3.0])),
    ),
    max_size=40,
)


class Checked(Slots):
    """Looks at every start: whether there was a place for it, and nothing against it."""

    def _advance(self) -> None:
        before, used = set(self.holders), self.used
        super()._advance()
        new = set(self.holders) - before
        if new:
            assert self.size is not None
            assert used + len(new) <= self.size
            assert not self.held
            assert not new & self._paused


async def play(steps: list[tuple[str, str | int | float]], size: int, stagger: float) -> None:
    async with anyio.create_task_group() as tasks:
        slots = Checked(size, stagger)
        place = Office(tasks, slots)
        for name, what in steps:
            match name, what:
                case "begin", str(world):
                    await place.begin(world)
                case "end" | "cancel", int(number) if number < len(place.commands):
                    command = place.commands[number]
                    await (command.end() if name == "end" else command.cancel())
                case "resize", int(number):
                    slots.resize(number)
                case "hold", _:
                    slots.hold("it")
                case "release", _:
                    slots.release()
                case "sleep", float(seconds):
                    await anyio.sleep(seconds)
                case "lend" | "reclaim" | "pause" | "proceed", str(world):
                    getattr(slots, name)(world)
            await settled()
            assert set(slots.holders) == set(place.running)
            for one in place.commands:
                if one.runs or one.over:
                    assert one.heard[-1:] in ([], [""])
        # Whatever happened: once nothing is in the way, all get in, and nothing is left behind.
        slots.release()
        for world in WORLDS:
            slots.proceed(world)
        for one in place.commands:
            one._end.set()
        await anyio.sleep(10)
        assert all(one.over for one in place.commands)
        assert all(one.since is not None for one in place.commands if not one.scope.cancel_called)
        assert (slots.holders, slots.waiting, slots.used) == ((), (), 0)


@given(STEPS, st.integers(1, 3), st.sampled_from([0.0, 0.25]))
@FEW
def test_whatever_happens(
    steps: list[tuple[str, str | int | float]], size: int, stagger: float
) -> None:
    anyio.run(play, steps, size, stagger, backend=VIRTUAL[0], backend_options=VIRTUAL[1])


@given(st.lists(st.sampled_from(WORLDS), min_size=1, max_size=30), st.integers(1, 3))
@FEW
def test_worlds_get_in_as_they_came(worlds: list[str], size: int) -> None:
    """Each of a crowd works a second, again and again: nobody is passed over more than once."""

    async def crowd() -> None:
        order: list[str] = []
        slots = Slots(size, stagger_seconds=0.01)  # so that no two end at the same moment

        async def work(world: str) -> None:
            for _ in range(4):
                async with slots.slot(world, lambda _: None):
                    order.append(world)
                    await anyio.sleep(1)

        racing = list(dict.fromkeys(worlds))
        async with anyio.create_task_group() as group:
            for world in racing:
                group.start_soon(work, world)
        assert order == racing * 4 or size > 1
        for turn in range(4):  # in every round each world is there once
            part = order[turn * len(racing) : (turn + 1) * len(racing)]
            assert sorted(part) == sorted(racing)

    anyio.run(crowd, backend=VIRTUAL[0], backend_options=VIRTUAL[1])
