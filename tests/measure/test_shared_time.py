"""How the seconds of a run are shared out, on a clock that is told what passes."""

import pytest
from fakes import FakeClock

from harness.measure.shared_time import SharedTime


def shared(clock: FakeClock, run: float = 100.0, per_arm: float | None = None) -> SharedTime:
    return SharedTime(per_arm, run, clock.now, clock)


def exact(time: SharedTime, clock: FakeClock, seconds: float) -> None:
    clock.advance(seconds)
    time.measured()


def test_what_the_exact_numbers_will_take_is_set_apart() -> None:
    clock = FakeClock()
    time = shared(clock)
    time.plan(10)
    for _ in range(5):
        exact(time, clock, 2.0)

    # 10 s are gone, five arms more take 10 s, and of the 80 s left half belongs to these five arms,
    # of which a quarter is held back for blocks whose calls are long.
    assert time.seconds(5) == pytest.approx(30.0)


def test_the_first_arm_that_pays_for_what_is_loaded_once_is_no_measure_of_the_others() -> None:
    clock = FakeClock()
    time = shared(clock)
    time.plan(5)
    for seconds in (20.0, 1.0, 1.0, 1.0):
        exact(time, clock, seconds)

    assert time.seconds(4) == pytest.approx(0.75 * (100 - 23 - 1) * 4 / 5)


def test_what_a_block_does_not_need_goes_to_those_that_follow() -> None:
    clock = FakeClock()
    time = shared(clock, run=10.0)
    time.plan(2)
    exact(time, clock, 0.0)
    first = time.seconds(1)
    clock.advance(first / 10)
    time.mark()
    exact(time, clock, 0.0)

    assert (first, time.seconds(1)) == (pytest.approx(3.75), pytest.approx(0.75 * (10 - 0.375)))


def test_seconds_of_a_block_are_no_seconds_of_exact_numbers() -> None:
    clock = FakeClock()
    time = shared(clock)
    time.plan(3)
    exact(time, clock, 1.0)
    time.seconds(1)
    clock.advance(50.0)
    time.mark()
    exact(time, clock, 1.0)

    assert time.seconds(1) == pytest.approx(0.75 * (100 - 52 - 1) / 2)


def test_where_no_time_is_left_nothing_is_timed_and_how_much_would_do_is_known() -> None:
    clock = FakeClock()
    time = shared(clock, run=5.0)
    time.plan(3)
    for _ in range(3):
        exact(time, clock, 10.0)

    assert time.seconds(3) == 0.0
    assert time.untimed == 3
    assert time.needed == 40.0


def test_the_first_block_gets_what_it_needs_also_where_the_exact_numbers_took_all_and_no_other_does() -> None:
    clock = FakeClock()
    time = shared(clock, run=60.0)
    time.plan(9)
    for _ in range(9):
        exact(time, clock, 8.0)

    assert time.seconds(3, least=50.0) == 50.0
    clock.advance(50.0)
    assert time.seconds(6, least=120.0) == 0.0
    assert time.untimed == 6


def test_the_first_block_of_a_model_that_is_too_large_gets_as_long_as_the_run() -> None:
    clock = FakeClock()
    time = shared(clock, run=60.0)
    time.plan(3)
    for _ in range(3):
        exact(time, clock, 40.0)

    assert time.seconds(3, least=90.0) == 60.0


def test_what_a_block_needs_comes_before_the_share_of_those_after_it() -> None:
    clock = FakeClock()
    time = shared(clock)
    time.plan(12)
    for _ in range(12):
        exact(time, clock, 1.0)

    assert time.seconds(3, least=60.0) == 60.0  # a share would be 16.5
    clock.advance(60.0)
    assert time.seconds(3, least=60.0) == pytest.approx(28.0)  # all that is left
    clock.advance(28.0)
    assert time.seconds(6, least=1.0) == 0.0


def test_seconds_an_arm_are_spent_whatever_the_run_takes() -> None:
    clock = FakeClock()
    time = shared(clock, run=1.0, per_arm=0.5)
    clock.advance(100.0)

    assert time.seconds(4) == 2.0
    assert not time.exact_only


@pytest.mark.parametrize(("run", "per_arm"), [(0.0, None), (60.0, 0.0)])
def test_no_seconds_are_exact_numbers_alone(run: float, per_arm: float | None) -> None:
    assert shared(FakeClock(), run, per_arm).exact_only


def test_a_block_comes_too_late_where_less_is_left_than_it_takes_and_the_first_never_does() -> None:
    clock = FakeClock()
    time = shared(clock, run=10.0)
    time.plan(2)
    exact(time, clock, 20.0)
    assert not time.is_spent(5.0)

    time.seconds(1, least=5.0)
    assert time.is_spent(0.1)
    assert not shared(clock, run=1.0, per_arm=0.5).is_spent(5.0)


def test_what_is_left_is_enough_for_a_short_block_and_not_for_a_long_one() -> None:
    clock = FakeClock()
    time = shared(clock, run=10.0)
    time.plan(2)
    time.seconds(1)
    clock.advance(8.0)

    assert not time.is_spent(1.9)
    assert time.is_spent(2.1)
