"""The pairing on a device that takes exactly the time it is told to take."""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from fakes import FakeClock, FakeDevice

from harness.measure.pairing import Pair, PairPlan
from harness.measure.sampling import Side, TimingError


def pair(
    device: FakeDevice,
    reference: float,
    arm: float,
    move: float | None = None,
    seed: int = 0,
) -> Pair:
    """Return a pair whose sides take so many seconds a call, and to move so many seconds a side."""

    def mover(name: str) -> Callable[[Random], None] | None:
        if move is None:
            return None
        work = device.work(f"move {name}", move)
        return lambda _rng: work()

    sides = (
        Side((("forward", device.work(name, seconds)),), mover(name))
        for name, seconds in (("reference", reference), ("arm", arm))
    )
    return Pair(*sides, device.clock, Random(seed))


def test_calls_are_chosen_so_that_a_sample_lasts_a_third_of_a_millisecond() -> None:
    timed = pair(FakeDevice(), 20e-6, 20e-6)
    timed.prepare(budget=0.1)

    assert timed.plan.calls == 15


def test_a_call_longer_than_a_millisecond_is_a_sample_by_itself() -> None:
    timed = pair(FakeDevice(), 0.03, 0.03)
    timed.prepare(budget=0.6)

    assert timed.plan == PairPlan(calls=1, layouts=10, rounds=1)


def test_both_sides_make_the_same_number_of_calls_a_sample() -> None:
    device = FakeDevice()
    timed = pair(device, 30e-6, 90e-6)  # of 60 us on average
    timed.prepare(budget=0.1)
    before = device.ran("reference"), device.ran("arm")
    timed.run()

    assert timed.plan.calls == 5
    assert device.ran("reference") - before[0] == device.ran("arm") - before[1] == 5 * timed.plan.total_rounds


@pytest.mark.parametrize("cost", [1e-6, 72e-6, 1e-3, 6e-3, 0.05])
@pytest.mark.parametrize("move", [None, 1e-4, 5e-3])
def test_the_budget_is_spent_and_not_overspent(cost: float, move: float | None) -> None:
    device = FakeDevice()
    timed = pair(device, cost, cost, move)
    timed.prepare(budget=2.0)
    start = device.clock.now
    timed.run()

    assert device.clock.now - start == pytest.approx(2.0, rel=0.15)


def test_a_pair_whose_round_is_longer_than_the_budget_is_timed_once() -> None:
    timed = pair(FakeDevice(), 3.0, 3.0, move=1.0)
    timed.prepare(budget=0.5)
    timed.run()

    assert timed.plan == PairPlan(calls=1, layouts=1, rounds=1)
    assert timed.samples()[0].arm == ((3.0,),)


def test_layouts_enough_for_the_judge_come_before_rounds_and_never_more_than_help() -> None:
    cheap, dear = pair(FakeDevice(), 1e-4, 1e-4, move=1e-5), pair(FakeDevice(), 0.01, 0.01, move=1e-3)
    cheap.prepare(budget=1.0)
    dear.prepare(budget=1.0)

    assert (cheap.plan.layouts, cheap.plan.rounds) == (64, 26)
    assert dear.plan.layouts >= 12


def test_what_cannot_be_moved_is_judged_by_windows_of_its_rounds() -> None:
    timed = pair(FakeDevice(), 1e-3, 1e-3)
    timed.prepare(budget=0.1)
    timed.run()
    (samples,) = timed.samples()

    assert samples.unit == "window"
    assert (len(samples.reference), len(samples.reference[0])) == (12, 4)


def test_samples_are_kept_by_layout_and_both_sides_moved_before_each_but_the_first() -> None:
    device = FakeDevice()
    timed = pair(device, 1e-3, 1e-3, move=1e-3)
    timed.prepare(budget=1.0)
    moved = device.ran("move reference"), device.ran("move arm")
    timed.run()
    (samples,) = timed.samples()

    assert moved == (2, 2)  # to know what moving costs, once the memory for it is there
    assert samples.unit == "draw"
    assert len(samples.arm) == len(samples.reference) == timed.plan.layouts > 1
    assert {len(layout) for layout in (*samples.arm, *samples.reference)} == {timed.plan.rounds}
    assert device.ran("move reference") - 2 == device.ran("move arm") - 2 == timed.plan.layouts - 1


def test_a_mover_that_both_sides_share_moves_once() -> None:
    device = FakeDevice()
    moves: list[int] = []

    def move(_rng: Random) -> None:
        moves.append(1)

    side = Side((("forward", device.work("call", 1e-3)),), move)
    Pair(side, side, device.clock, Random(0)).relocate()

    assert moves == [1]


def test_what_the_sides_leave_is_kept_until_both_have_moved() -> None:
    class Place:
        pass

    device = FakeDevice()
    places: list[weakref.ref[Place]] = []
    kept: list[int] = []

    def move(_rng: Random) -> object:
        kept.append(sum(place() is not None for place in places))
        left = Place()
        places.append(weakref.ref(left))
        return left

    sides = [Side((("call", device.work("call", 1e-3)),), partial(move)) for _ in range(2)]
    timed = Pair(*sides, device.clock, Random(0))
    timed.relocate()
    timed.relocate()

    assert kept == [0, 1, 0, 1]


def test_either_side_is_moved_first_by_chance_and_nothing_is_called() -> None:
    device = FakeDevice()
    timed = pair(device, 1e-3, 1e-3, move=1e-3)
    for _ in range(200):
        timed.relocate()

    assert set(device.log) == {"move reference", "move arm"}
    assert 70 < device.log[::2].count("move reference") < 130


@pytest.mark.parametrize("planted", [1.0, 1.02, 0.5])
def test_a_planted_ratio_is_what_every_round_shows(planted: float) -> None:
    timed = pair(FakeDevice(), 1e-3, planted * 1e-3, move=1e-4)
    timed.prepare(budget=0.5)
    timed.run()
    (samples,) = timed.samples()

    for reference, arm in zip(samples.reference, samples.arm, strict=True):
        for one, other in zip(reference, arm, strict=True):
            assert other / one == pytest.approx(planted, rel=1e-9)


def test_a_fresh_coin_says_which_side_is_first() -> None:
    device = FakeDevice()
    timed = pair(device, 1e-3, 1e-3)
    timed.prepare(budget=0.4)
    device.log.clear()
    timed.run()
    rounds = [tuple(device.log[place : place + 2]) for place in range(0, len(device.log), 2)]

    assert len(rounds) == 192
    assert set(rounds) == {("reference", "arm"), ("arm", "reference")}
    assert 70 <= rounds.count(("reference", "arm")) <= 130
    # Neither by turns nor in blocks: about half of the rounds are as the one before.
    assert 70 <= sum(one == other for one, other in pairwise(rounds)) <= 130


def test_the_order_is_that_of_its_seed() -> None:
    logs = []
    for seed in (1, 1, 2):
        device = FakeDevice()
        timed = pair(device, 1e-3, 1e-3, seed=seed)
        timed.prepare(budget=0.1)
        timed.run()
        logs.append(device.log)

    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_a_slow_first_call_chooses_nothing() -> None:
    device = FakeDevice()
    calls: list[float] = []

    def call() -> None:
        calls.append(1)
        device.clock.advance(5.0 if len(calls) == 1 else 100e-6)

    side = Side((("forward", call),))
    timed = Pair(side, side, device.clock, Random(0))
    timed.prepare(budget=0.1)

    assert timed.plan.calls == 3


def test_parts_that_both_sides_have_are_paired_too() -> None:
    device = FakeDevice()

    def side(*parts: tuple[str, float]) -> Side:
        return Side(tuple((name, device.work(name, seconds)) for name, seconds in parts))

    timed = Pair(
        side(("forward", 0.001), ("backward", 0.002), ("optimizer", 0.001)),
        side(("forward", 0.001), ("backward", 0.001)),
        device.clock,
        Random(0),
    )
    timed.prepare(budget=0.1)
    timed.run()
    taken = {samples.metric: samples for samples in timed.samples()}

    assert list(taken) == ["time", "forward time", "backward time"]
    assert taken["time"].reference[0][0] == pytest.approx(0.004)
    assert taken["time"].arm[0][0] == pytest.approx(0.002)
    assert taken["backward time"].reference[0][0] == pytest.approx(0.002)
    assert taken["backward time"].arm[0][0] == pytest.approx(0.001)


def test_a_side_of_one_part_is_paired_as_a_whole_only() -> None:
    device = FakeDevice()
    three = Side(tuple((name, device.work(name, 1e-3)) for name in ("forward", "backward", "optimizer")))
    timed = Pair(three, Side((("forward", device.work("forward", 1e-3)),)), device.clock, Random(0))
    timed.prepare(budget=0.1)
    timed.run()

    assert [samples.metric for samples in timed.samples()] == ["time"]


def test_the_seconds_inside_samples_are_told_from_those_of_the_whole_pass() -> None:
    timed = pair(FakeDevice(), 1e-3, 1e-3, move=1e-2)
    timed.prepare(budget=1.0)
    timed.run()
    (samples,) = timed.samples()

    assert samples.measured_s == pytest.approx(2e-3 * timed.plan.total_rounds)
    assert 0.7 <= samples.measured_s / samples.pass_s < 1


def test_rounds_beyond_the_plan_are_not_kept() -> None:
    """pytest-benchmark runs the target again under cProfile where it is asked to."""
    timed = pair(FakeDevice(), 1e-3, 1e-3)
    timed.prepare(budget=0.1)
    timed.run()
    timed.before()
    timed.time_arm()
    timed.after()
    timed.after()

    assert [len(layout) for layout in timed.samples()[0].arm] == [4] * 12


def test_a_call_that_is_hardly_longer_than_reading_the_clock_is_refused() -> None:
    clock = FakeClock(read_s=1e-6, tick_s=0.01)
    side = Side((("forward", lambda: None),))

    with pytest.raises(TimingError, match=r"^a call takes 0 ns; under 300 ns most of it is the clock"):
        Pair(side, side, clock, Random(0)).prepare(budget=0.1)


def test_a_call_longer_than_the_longest_is_refused_after_the_first() -> None:
    device = FakeDevice()

    with pytest.raises(
        TimingError, match=r"^a call takes 3 s, longer than the budget of 1 s; raise the budget$"
    ):
        pair(device, 3.0, 3.0).prepare(budget=1.0, longest=1.0)
    assert set(device.log) == {"reference"}


def test_the_collector_is_off_in_every_timed_call() -> None:
    device = FakeDevice()
    collected: list[bool] = []

    def call() -> None:
        collected.append(gc.isenabled())
        device.clock.advance(1e-3)

    side = Side((("forward", call),))
    timed = Pair(side, side, device.clock, Random(0))
    timed.prepare(budget=0.02)
    collected.clear()
    timed.run()

    assert collected == [False] * 20
