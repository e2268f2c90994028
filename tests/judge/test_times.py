"""What the time of an arm is, from literals: never one that contradicts the ratio beside it."""

import statistics

import pytest

from harness.judge.times import arm_seconds, median_seconds, ratio_of, round_seconds, times_of
from harness.record.schema import ArmResult, Case, Record, Samples

Side = tuple[tuple[float, ...], ...]


def arm(name: str, reference: Side, seconds: Side, metric: str = "time") -> ArmResult:
    return ArmResult(arm=name, timings=(Samples(metric=metric, calls=1, reference=reference, arm=seconds),))


def record(*arms: ArmResult) -> Record:
    return Record(case=Case(question="q", model="m"), asks="?", reference="first", arms=arms)


REFERENCE: Side = ((1.0, 2.0), (3.0, 9.0), (4.0,))


def test_the_median_is_over_all_samples_and_not_over_layouts() -> None:
    assert median_seconds([[1.0, 1.0, 1.0], [9.0]]) == 1.0
    assert median_seconds([[1.0, 2.0], [3.0, 9.0]]) == 2.5


def test_an_arm_takes_the_time_of_its_reference_times_their_ratio() -> None:
    doubled = arm("second", REFERENCE, ((2.0, 4.0), (60.0, 18.0), (8.0,)))

    assert ratio_of(doubled.timings[0]) == pytest.approx(2.0)
    assert arm_seconds(doubled.timings[0]) == pytest.approx(6.0)


def test_all_arms_of_a_record_have_one_reference() -> None:
    early = arm("early", ((1.0, 2.0),), ((0.5, 1.0),))  # it was decided after one layout
    control = arm("first", REFERENCE, ((5.0, 5.0), (5.0, 5.0), (5.0,)))

    assert times_of(record(control, early)) == pytest.approx({("first", "time"): 3.0, ("early", "time"): 1.5})


def test_without_the_reference_s_own_row_the_longest_samples_of_it_count() -> None:
    early, late = arm("early", ((1.0, 2.0),), ((0.5, 1.0),)), arm("late", REFERENCE, REFERENCE)

    assert times_of(record(early, late)) == pytest.approx({("early", "time"): 1.5, ("late", "time"): 3.0})


def test_rounds_are_told_so_that_their_median_is_the_time_that_is_shown() -> None:
    control = arm("first", REFERENCE, REFERENCE)
    second = arm("second", REFERENCE, ((2.0, 4.0), (60.0, 18.0), (4.0,)))
    whole = record(control, second)

    assert round_seconds(whole, control) == (1.0, 2.0, 3.0, 9.0, 4.0)
    assert statistics.median(round_seconds(whole, second)) == pytest.approx(times_of(whole)["second", "time"])
    assert round_seconds(whole, ArmResult(arm="third")) == ()
