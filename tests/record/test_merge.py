"""Runs of one environment become one; those of others stay apart."""

import dataclasses

import msgspec
import pytest
import runs

from harness.record.merge import MergeError, merged


def test_runs_of_one_environment_become_one() -> None:
    first = runs.run(runs.record(runs.case("a"), runs.arm()), id="one")
    second = runs.run(runs.record(runs.case("b"), runs.arm()), id="two", complete=False)
    (both,) = merged([first, second])

    assert [record.case.model for record in both.records] == ["a", "b"]
    assert both.id == "one + two"
    assert not both.complete


def test_runs_of_two_torches_stay_apart() -> None:
    other = runs.run(environment=runs.environment(torch="2.14.0"))

    assert merged([runs.run(), other]) == (runs.run(), other)


def test_a_case_in_both_is_refused() -> None:
    with pytest.raises(MergeError, match="is in run run-1 and in run two; give one of them"):
        merged([runs.run(), runs.run(id="two")])


def test_a_metric_that_means_two_things_is_refused() -> None:
    other = runs.run(runs.record(runs.case("b"), runs.arm()), id="two")
    turned = tuple(dataclasses.replace(metric, better="higher") for metric in other.metrics)
    with pytest.raises(MergeError, match="run two declares the metric 'time' otherwise"):
        merged([runs.run(), msgspec.structs.replace(other, metrics=turned)])
