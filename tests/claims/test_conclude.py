"""From checks to a verdict."""

import pytest

from harness.claims.claim import Lab, LabError, by_place, conclude
from harness.claims.record import Check

pytestmark = pytest.mark.process


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
    found = [
        ("bytes", "one", True, ""),
        ("bytes", "two", True, ""),
        ("time", "one", True, ""),
        ("time", "two", False, ""),
    ]
    assert [check.where for check in by_place(found)] == ["bytes", "bytes", "time (one)", "time (two)"]


def test_too_few_seeds_and_no_budget_are_refused() -> None:
    with pytest.raises(LabError, match="give 8 or more"):
        Lab(seeds=7)
    with pytest.raises(LabError, match="give more than 0 seconds"):
        Lab(budget=0)
