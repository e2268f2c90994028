"""The block on a device that takes exactly the time it is told to take."""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from fakes import FakeClock, FakeDevice

from harness.judge.contrasts import judge_samples
from harness.judge.looks import Looks
from harness.judge.verdict import Verdict
from harness.measure.block import TimingBlock, move_sides
from harness.measure.block_plan import BlockPlan
from harness.measure.sampling import Side, TimingError


def block(
    device: FakeDevice, reference: float, *arms: float, move: float | None = None, seed: int = 0
) -> TimingBlock:
    """Return a block whose sides take so many seconds a call, and so many to move."""

    def side(name: str, seconds: float) -> Side:
        mover = None if move is None else partial(_moved, device.work(f"move {name}", move))
        return Side((("forward", device.work(name, seconds)),), mover)

    named = {f"arm {number}": side(f"arm {number}", seconds) for number, seconds in enumerate(arms)}
    return TimingBlock(side("reference", reference), named, device.clock, Random(seed))


def _moved(work: Callable[[], None], _rng: Random) -> None:
    work()


def noisy(
    device: FakeDevice, seconds: float, scatter: float, chance: Random, move: float | None = None
) -> Side:
    """Return a side whose calls scatter around so many seconds."""

    def call() -> None:
        device.clock.advance(seconds * (1 + scatter * chance.uniform(-1, 1)))

    return Side((("forward", call),), None if move is None else partial(_moved, device.work("move", move)))


def test_calls_are_chosen_so_that_a_sample_of_the_cheapest_lasts_a_third_of_a_millisecond() -> None:
    timed = block(FakeDevice(), 20e-6, 60e-6)
    timed.prepare(budget=0.1)

    assert timed.plan.calls == 15


def test_a_call_longer_than_a_millisecond_is_a_sample_by_itself() -> None:
    timed = block(FakeDevice(), 0.03, 0.03)
    timed.prepare(budget=0.6)

    assert (timed.plan.calls, timed.plan.rounds) == (1, 1)


def test_chance_decides_whose_call_is_the_first_after_a_move() -> None:
    device = FakeDevice()
    timed = block(device, 30e-6, 30e-6, 30e-6, move=1e-6)
    timed.prepare(budget=0.5)
    timed.run(0.5, Looks(9, alpha=1e-9))

    moved = [index for index, name in enumerate(device.log[:-1]) if name.startswith("move ")]
    first = [device.log[index + 1] for index in moved if not device.log[index + 1].startswith("move ")]
    assert len(first) > 50
    for name in ("reference", "arm 0", "arm 1"):
        assert 0.2 < first.count(name) / len(first) < 0.47


def test_every_side_makes_the_same_number_of_calls_a_round() -> None:
    device = FakeDevice()
    timed = block(device, 30e-6, 90e-6, 60e-6)
    timed.prepare(budget=0.1)
    device.log.clear()
    timed.run(0.1, Looks(9, alpha=1e-9))

    ran = {name: device.ran(name) for name in ("reference", "arm 0", "arm 1")}
    assert len(set(ran.values())) == 1
    assert ran["reference"] % timed.plan.calls == 0


def test_the_reference_is_timed_once_a_round_whatever_the_number_of_arms() -> None:
    device = FakeDevice()
    timed = block(device, 1e-3, *[1e-3] * 6)
    timed.prepare(budget=1.0)
    device.log.clear()
    timed.run(1.0, Looks(6))

    assert device.ran("reference") == max(device.ran(f"arm {number}") for number in range(6))
    first = timed.samples("arm 0")[0].reference
    assert all(timed.samples(f"arm {number}")[0].reference == first for number in range(6))


@pytest.mark.parametrize("cost", [72e-6, 1e-3, 6e-3, 0.05])
@pytest.mark.parametrize("move", [None, 1e-4, 5e-3])
def test_the_budget_is_spent_and_not_overspent_where_nothing_is_decided(
    cost: float, move: float | None
) -> None:
    device, chance = FakeDevice(), Random(1)
    sides = [noisy(device, cost, 0.4, chance, move) for _ in range(2)]
    timed = TimingBlock(sides[0], {"arm": sides[1]}, device.clock, Random(0))
    timed.prepare(budget=2.0)
    start = device.clock.now
    timed.run(2.0, Looks(1, alpha=1e-12))

    assert device.clock.now - start == pytest.approx(2.0, rel=0.1)


def test_a_block_whose_round_is_longer_than_the_budget_is_timed_once() -> None:
    timed = block(FakeDevice(), 3.0, 3.0, move=1.0)
    timed.prepare(budget=0.5)
    timed.run(0.5, Looks(1))

    assert timed.samples("arm 0")[0].arm == ((3.0,),)


def test_no_more_rounds_are_timed_than_are_allowed() -> None:
    device = FakeDevice()
    timed = block(device, 1e-3, 1e-3)
    timed.most_rounds = 1
    timed.prepare(budget=10.0)
    timed.run(10.0, Looks(1))

    assert timed.samples("arm 0")[0].arm == ((pytest.approx(1e-3),),)


def test_arms_that_are_decided_leave_and_the_others_go_on() -> None:
    device, chance = FakeDevice(), Random(5)
    sides = {
        "twice": noisy(device, 2e-3, 0.1, chance),
        "nearly": noisy(device, 1.004e-3, 0.1, chance),
        "copy": noisy(device, 1e-3, 0.1, chance),
    }
    timed = TimingBlock(noisy(device, 1e-3, 0.1, chance), sides, device.clock, Random(0))
    timed.prepare(budget=2.0)
    timed.run(2.0, Looks(2), control="copy")
    rounds = {name: sum(map(len, timed.samples(name)[0].arm)) for name in sides}

    assert rounds["twice"] < 40
    assert rounds["nearly"] > 10 * rounds["twice"]
    assert judge_samples(timed.samples("twice")[0]).verdict is Verdict.WORSE


def test_what_is_decided_early_ends_the_block_and_the_control_is_not_waited_for() -> None:
    device, chance = FakeDevice(), Random(5)
    sides = {"twice": noisy(device, 2e-3, 0.1, chance), "copy": noisy(device, 1e-3, 0.1, chance)}
    timed = TimingBlock(noisy(device, 1e-3, 0.1, chance), sides, device.clock, Random(0))
    timed.prepare(budget=20.0)
    start = device.clock.now
    timed.run(20.0, Looks(1), control="copy")

    assert device.clock.now - start < 1.0
    assert timed.samples("copy")


def test_a_control_alone_is_waited_for() -> None:
    device, chance = FakeDevice(), Random(5)
    timed = TimingBlock(
        noisy(device, 1e-3, 0.3, chance), {"copy": noisy(device, 1e-3, 0.3, chance)}, device.clock, Random(0)
    )
    timed.prepare(budget=1.0)
    start = device.clock.now
    timed.run(1.0, Looks(0), control="copy")

    assert device.clock.now - start > 0.8


def test_the_chances_of_all_looks_and_arms_add_up_to_no_more_than_what_was_allowed() -> None:
    device, chance = FakeDevice(), Random(5)
    levels: list[float] = []

    class Counting(Looks):
        def spend(self, share: float) -> float:
            levels.append(Looks.spend(self, share))
            return levels[-1]

    arms = {name: noisy(device, 1e-3, 0.4, chance) for name in "abc"}
    timed = TimingBlock(noisy(device, 1e-3, 0.4, chance), arms, device.clock, Random(0))
    timed.prepare(budget=3.0)
    timed.run(3.0, Counting(3))

    assert len(levels) > 5
    assert sum(levels) == pytest.approx(0.01)
    assert timed.samples("a")[0].level == pytest.approx(levels[-1] / 3)


def test_an_arm_that_raises_leaves_and_the_rest_goes_on() -> None:
    device = FakeDevice()
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        device.clock.advance(1e-3)
        if len(calls) > 60:
            raise ValueError("no luck")

    arms = {"fails": Side((("forward", fail),)), "works": noisy(device, 1e-3, 0.3, Random(2))}
    timed = TimingBlock(noisy(device, 1e-3, 0.3, Random(1)), arms, device.clock, Random(0))
    timed.prepare(budget=1.0)
    timed.run(1.0, Looks(2))

    assert str(timed.failed["fails"]) == "no luck"
    assert sum(map(len, timed.samples("works")[0].arm)) > 200


def test_a_reference_that_raises_ends_the_block() -> None:
    device = FakeDevice()
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        device.clock.advance(1e-3)
        if len(calls) > 60:
            raise ValueError("no luck")

    timed = TimingBlock(
        Side((("forward", fail),)), {"arm": noisy(device, 1e-3, 0.3, Random(2))}, device.clock, Random(0)
    )
    timed.prepare(budget=1.0)
    with pytest.raises(ValueError, match="no luck"):
        timed.run(1.0, Looks(1))


def test_layouts_are_as_many_as_moving_allows() -> None:
    cheap, dear = block(FakeDevice(), 1e-3, 1e-3, move=1e-5), block(FakeDevice(), 1e-3, 1e-3, move=1e-3)
    cheap.prepare(budget=1.0)
    dear.prepare(budget=1.0)

    assert cheap.plan.rounds == 1
    assert dear.plan.rounds == 7  # 2 ms of moving in 14 ms of rounds are 14 %


def test_moving_takes_a_larger_share_where_layouts_would_be_too_few_to_judge() -> None:
    timed = block(FakeDevice(), 1e-3, 1e-3, move=1e-2)
    timed.prepare(budget=0.6)

    assert timed.plan.rounds == 8  # sixteen layouts of 17 ms, and 20 ms each for moving


def test_what_cannot_be_moved_is_judged_by_its_rounds() -> None:
    timed = block(FakeDevice(), 1e-3, 1e-3)
    timed.prepare(budget=0.1)
    timed.run(0.1, Looks(1))
    (samples,) = timed.samples("arm 0")

    assert samples.unit == "round"
    assert len(samples.reference) == 1


def test_samples_are_kept_by_layout_and_all_sides_moved_between_them() -> None:
    device = FakeDevice()
    timed = block(device, 1e-3, 1e-3, 1e-3, move=2e-4)
    timed.prepare(budget=1.0)
    moved = {name: device.ran(f"move {name}") for name in ("reference", "arm 0", "arm 1")}
    timed.run(0.3, Looks(2, alpha=1e-9))
    (samples,) = timed.samples("arm 0")

    assert set(moved.values()) == {2}  # to know what moving costs, once the memory for it is there
    assert samples.unit == "draw"
    assert {len(layout) for layout in samples.arm[:-1]} == {timed.plan.rounds}
    assert len(samples.arm) > 12
    for name in moved:
        assert device.ran(f"move {name}") - 2 in (len(samples.arm) - 1, len(samples.arm))


def test_where_a_sample_is_of_many_calls_a_call_after_each_move_finds_the_caches_cold() -> None:
    device = FakeDevice()
    timed = block(device, 1e-4, 1e-4, move=1e-5)
    timed.prepare(budget=1.0)
    device.log.clear()
    timed.run(0.05, Looks(1, alpha=1e-9))
    place = device.log.index("move reference")
    after = [name for name in device.log[place : place + 5] if not name.startswith("move")]

    assert sorted(after[:2]) == ["arm 0", "reference"]


def test_a_mover_that_sides_share_moves_once() -> None:
    moves: list[int] = []

    def move(_rng: Random) -> None:
        moves.append(1)

    side = Side((("forward", lambda: None),), move)
    move_sides((side, side, side), Random(0))

    assert moves == [1]


def test_what_the_sides_leave_is_kept_until_all_have_moved() -> None:
    class Place:
        pass

    places: list[weakref.ref[Place]] = []
    held: list[int] = []

    def move(_rng: Random) -> object:
        held.append(sum(place() is not None for place in places))
        old = Place()
        places.append(weakref.ref(old))
        return old

    sides = [Side((("call", lambda: None),), partial(move)) for _ in range(3)]
    move_sides(sides, Random(0))
    move_sides(sides, Random(0))

    assert held == [0, 1, 2, 0, 1, 2]


def test_any_side_is_moved_first_by_chance_and_nothing_is_called() -> None:
    device = FakeDevice()
    timed = block(device, 1e-3, 1e-3, move=0.0)
    for _ in range(200):
        move_sides([timed.reference, *timed.arms.values()], timed.rng)

    assert set(device.log) == {"move reference", "move arm 0"}
    assert 70 < device.log[::2].count("move reference") < 130


@pytest.mark.parametrize("planted", [1.0, 1.02, 0.5])
def test_a_planted_ratio_is_what_every_round_shows(planted: float) -> None:
    timed = block(FakeDevice(), 1e-3, planted * 1e-3, move=1e-4)
    timed.prepare(budget=0.5)
    timed.run(0.5, Looks(1))
    (samples,) = timed.samples("arm 0")

    for reference, arm in zip(samples.reference, samples.arm, strict=True):
        for one, other in zip(reference, arm, strict=True):
            assert other / one == pytest.approx(planted, rel=1e-9)


def test_the_order_of_a_round_is_fresh_each_time() -> None:
    device = FakeDevice()
    timed = block(device, 1e-3, 1e-3)
    timed.prepare(budget=0.4)
    device.log.clear()
    timed.run(0.4, Looks(1, alpha=1e-99))
    rounds = [tuple(device.log[place : place + 2]) for place in range(0, len(device.log), 2)]

    assert len(rounds) >= 199
    assert set(rounds) == {("reference", "arm 0"), ("arm 0", "reference")}
    assert 70 <= rounds.count(("reference", "arm 0")) <= 130
    # Neither by turns nor in runs: about half of the rounds are as the one before.
    assert 70 <= sum(one == other for one, other in pairwise(rounds)) <= 130


def test_the_order_is_that_of_its_seed() -> None:
    logs = []
    for seed in (1, 1, 2):
        device = FakeDevice()
        timed = block(device, 1e-3, 1e-3, seed=seed)
        timed.prepare(budget=0.1)
        timed.run(0.1, Looks(1))
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
    timed = TimingBlock(side, {"arm": side}, device.clock, Random(0))
    timed.prepare(budget=0.1)

    assert timed.plan.calls == 3


def test_sides_that_have_run_before_are_called_once_where_a_call_is_long() -> None:
    device = FakeDevice()
    block(device, 0.1, 0.1).prepare(budget=1.0, warmed=True)

    assert device.log == ["reference", "arm 0"]


def test_parts_that_both_sides_have_are_paired_too() -> None:
    device = FakeDevice()

    def side(*parts: tuple[str, float]) -> Side:
        return Side(tuple((name, device.work(name, seconds)) for name, seconds in parts))

    timed = TimingBlock(
        side(("forward", 0.001), ("backward", 0.002), ("optimizer", 0.001)),
        {"arm": side(("forward", 0.001), ("backward", 0.001))},
        device.clock,
        Random(0),
    )
    timed.prepare(budget=0.1)
    timed.run(0.1, Looks(1))
    taken = {samples.metric: samples for samples in timed.samples("arm")}

    assert list(taken) == ["time", "forward time", "backward time"]
    assert taken["time"].reference[0][0] == pytest.approx(0.004)
    assert taken["time"].arm[0][0] == pytest.approx(0.002)
    assert taken["backward time"].reference[0][0] == pytest.approx(0.002)
    assert taken["backward time"].arm[0][0] == pytest.approx(0.001)


def test_a_side_of_one_part_is_paired_as_a_whole_only() -> None:
    device = FakeDevice()
    three = Side(tuple((name, device.work(name, 1e-3)) for name in ("forward", "backward", "optimizer")))
    one = Side((("forward", device.work("forward", 1e-3)),))
    timed = TimingBlock(three, {"arm": one}, device.clock, Random(0))
    timed.prepare(budget=0.1)
    timed.run(0.1, Looks(1))

    assert [samples.metric for samples in timed.samples("arm")] == ["time"]


def test_the_seconds_of_the_reference_are_counted_once_over_all_arms() -> None:
    timed = block(FakeDevice(), 1e-3, 1e-3, 1e-3, move=1e-3)
    timed.prepare(budget=1.0)
    timed.run(1.0, Looks(2, alpha=1e-9))
    taken = [timed.samples(name)[0] for name in timed.arms]
    rounds = sum(map(len, taken[0].arm))

    assert sum(samples.measured_s for samples in taken) == pytest.approx(3e-3 * rounds)
    assert 0.7 <= sum(samples.measured_s for samples in taken) / sum(one.pass_s for one in taken) < 1


def test_a_call_that_is_hardly_longer_than_reading_the_clock_is_refused() -> None:
    clock = FakeClock(read_s=1e-6, tick_s=0.01)
    side = Side((("forward", lambda: None),))

    with pytest.raises(TimingError, match=r"^a call takes 0 ns; under 300 ns most of it is the clock"):
        TimingBlock(side, {"arm": side}, clock, Random(0)).prepare(budget=0.1)


def test_a_call_longer_than_the_longest_is_refused_after_the_first() -> None:
    device = FakeDevice()

    with pytest.raises(
        TimingError, match=r"^a call takes 3 s, longer than the budget of 1 s; raise the budget$"
    ):
        block(device, 3.0, 3.0).prepare(budget=1.0, longest=1.0)
    assert set(device.log) == {"reference"}


def test_the_collector_is_off_in_every_timed_call() -> None:
    device = FakeDevice()
    collected: list[bool] = []

    def call() -> None:
        collected.append(gc.isenabled())
        device.clock.advance(1e-3)

    side = Side((("forward", call),))
    timed = TimingBlock(side, {"arm": side}, device.clock, Random(0))
    timed.prepare(budget=0.02)
    collected.clear()
    timed.run(0.02, Looks(1))

    assert len(collected) >= 18
    assert not any(collected)


def test_a_budget_for_too_few_layouts_is_stretched_to_twice_at_most() -> None:
    timed = block(FakeDevice(), 0.01, 0.01, move=1e-4)
    timed.prepare(budget=0.2)

    assert timed.enough(0.2) == pytest.approx(16 * 0.0202)
    assert timed.enough(0.05) == pytest.approx(0.1)
    assert timed.enough(1.0) == 1.0
    assert timed.enough(0.2, 9) == timed.enough(0.2)  # as many as one would like to have cost little


def test_where_layouts_take_long_as_few_have_to_do_as_can_be_judged() -> None:
    timed = block(FakeDevice(), 1.0, 1.0)
    timed.prepare(budget=20.0)

    assert timed.enough(20.0, 9) == 20.0
    assert timed.enough(12.0, 9) == 18.0
    assert timed.enough(8.0, 9) == 16.0


def test_a_budget_is_not_stretched_by_much_where_twice_of_it_would_not_do_either() -> None:
    timed = block(FakeDevice(), 10.0, 10.0)
    timed.prepare(budget=60.0)

    assert timed.enough(60.0, 9) == 70.0
    assert timed.enough(100.0, 9) == 180.0


def test_long_calls_that_were_timed_when_they_ran_first_are_not_called_again_to_be_planned() -> None:
    device = FakeDevice()
    timed = block(device, 1.0, 1.0)
    timed.prepare(budget=20.0, warmed=True, costs=(1.0, 1.0))

    assert not device.log
    assert timed.plan == BlockPlan(calls=1, rounds=1)

    block(device, 0.1, 0.1).prepare(budget=1.0, warmed=True, costs=(0.1, 0.1))
    assert device.log == ["reference", "arm 0"]
