"""From checks to a verdict."""

import pytest

from harness.claims.claim import Lab, LabError
from harness.claims.conclude import conclude, grounds
from harness.claims.record import Check


def _checks(*rows: tuple[str, bool | None]) -> list[Check]:
    return [Check(says="seen", where=where, holds=holds) for where, holds in rows]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("", True)], ("holds", "")),
        ([("", True), ("", False)], ("refuted", "")),
        ([("", True), ("", None)], ("undecided", "")),
        ([("", False), ("", None)], ("refuted", "")),
        ([("a", True), ("b", True)], ("holds", "")),
        ([("a", True), ("b", False)], ("holds when", "a; not: b")),
        ([("a", True), ("b", None)], ("holds when", "a; undecided: b")),
        ([("a", False), ("b", False)], ("refuted", "")),
        ([("a", False), ("b", None)], ("undecided", "not: a; undecided: b")),
        ([("", False), ("a", True)], ("refuted", "")),
        ([("a", True), ("a", False), ("b", True)], ("holds when", "b; not: a")),
        ([("a: x", True), ("a: y", True), ("b", False)], ("holds when", "a: x, y; not: b")),
    ],
)
def test_a_verdict_follows_from_the_checks(
    rows: list[tuple[str, bool | None]], expected: tuple[str, str]
) -> None:
    assert conclude(_checks(*rows)) == expected


def test_no_checks_make_no_verdict() -> None:
    with pytest.raises(ValueError, match="at least one check"):
        conclude([])


def test_places_that_agree_are_one_condition_and_others_are_named() -> None:
    rows = [
        ("bytes", "one", True),
        ("bytes", "two", True),
        ("time", "one", True),
        ("time", "two", False),
        ("time", "three", None),
    ]
    checks = [Check(says="", where=where, place=place, holds=holds) for where, place, holds in rows]
    assert [(ground.words(), ground.holds) for ground in grounds(checks)] == [
        ("bytes", True),
        ("time (one)", True),
        ("time (two)", False),
        ("time (three)", None),
    ]


def test_more_than_three_places_are_counted() -> None:
    checks = [Check(says="", where="time", place=str(place), holds=place > 0) for place in range(10)]
    assert conclude(checks) == ("holds when", "time (9 of 10); not: time (0)")


def test_one_place_with_two_answers_is_false() -> None:
    checks = [Check(says="", where="time", place="a", holds=holds) for holds in (True, False)]
    assert conclude(checks) == ("refuted", "")


def test_what_is_true_in_a_sample_holds_there_and_not_everywhere() -> None:
    checks = _checks(("diabetes", True), ("breast cancer", True))
    assert conclude(checks, is_sampled=True) == ("holds when", "diabetes; breast cancer")
    assert conclude(checks) == ("holds", "")
    assert conclude(_checks(("", True)), is_sampled=True) == ("holds", "")


def test_too_few_seeds_and_no_budget_are_refused() -> None:
    with pytest.raises(LabError, match="give 8 or more"):
        Lab(seeds=7)
    with pytest.raises(LabError, match="give more than 0 seconds"):
        Lab(budget=0)
