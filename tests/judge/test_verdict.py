"""The verdicts: literal samples, properties, and simulated A/A and planted changes."""

import dataclasses
import functools
import math
import random
import re
import sys
from typing import Any

import pytest
from anew import printed_anew
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge import verdict as judging
from harness.judge.interval import log_ratios
from harness.judge.verdict import ALPHA, FLOOR, LAYOUT_FLOOR, MOST_UNITS, Judgement, Verdict, is_decided

quick = settings(deadline=None, max_examples=50)  # no deadline, for the first example pays for an import

SLOWER = [0.01, 0.02, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02]
FASTER = [-value for value in SLOWER]
SAME = [0.0004, -0.0004, 0.0002, -0.0002, 0.0001, -0.0001, 0.0003, -0.0003]
NOISE = [0.05, -0.05, 0.04, -0.04, 0.03, -0.03, 0.02, -0.02]


def judge(values: list[float], **rules: Any) -> Judgement:
    """Judge values of which each is a unit by itself."""
    return judging.judge([[value] for value in values], **rules)


def judge_family(contrasts: list[list[float]], **rules: Any) -> tuple[Judgement, ...]:
    return judging.judge_family([[[value] for value in values] for values in contrasts], **rules)


def test_the_five_words() -> None:
    assert [str(verdict) for verdict in Verdict] == ["better", "worse", "same", "undecided", "invalid"]


def test_the_floor_is_a_tenth_of_a_percent_and_alpha_one_percent() -> None:
    assert (FLOOR, ALPHA) == (0.001, 0.01)


def test_a_clear_rise_is_worse_where_lower_is_better() -> None:
    assert judge(SLOWER) == Judgement(
        verdict=Verdict.WORSE,
        ratio=math.exp(0.02),
        low=math.exp(0.01),
        high=math.exp(0.03),
        level=0.01,
        units=8,
        units_to_decide=None,
        reason="",
    )


@pytest.mark.parametrize(
    ("values", "better", "verdict"),
    [
        (SLOWER, "lower", "worse"),
        (SLOWER, "higher", "better"),
        (FASTER, "lower", "better"),
        (FASTER, "higher", "worse"),
        (SAME, "lower", "same"),
        (SAME, "higher", "same"),
        (NOISE, "lower", "undecided"),
    ],
)
def test_the_sign_is_read_by_what_the_metric_calls_better(
    values: list[float], better: str, verdict: str
) -> None:
    assert judge(values, better=better).verdict == verdict


def test_a_change_that_is_significant_yet_under_the_floor_is_the_same() -> None:
    judgement = judge([0.0005] * 7 + [0.0006])

    assert judgement.verdict == "same"


def test_a_change_inside_a_wider_floor_is_the_same() -> None:
    assert judge(SLOWER, floor=0.05).verdict == "same"
    assert judge(SLOWER, floor=0.001).verdict == "worse"


def test_the_floor_is_as_wide_in_both_directions() -> None:
    edge = math.log1p(0.01)

    assert judge([edge] * 8, floor=0.01).verdict == "same"
    assert judge([-edge] * 8, floor=0.01).verdict == "same"
    assert judge([edge * 1.001] * 8, floor=0.01).verdict == "worse"
    assert judge([edge * -1.001] * 8, floor=0.01).verdict == "better"


def test_no_floor_at_all_leaves_nothing_the_same_but_equality() -> None:
    assert judge([0.0] * 8, floor=0.0).verdict == "same"
    assert judge([1e-9] * 8, floor=0.0).verdict == "worse"


def test_an_interval_that_touches_0_decides_nothing_though_the_sign_test_would() -> None:
    judgement = judge([0.0] * 4 + [0.02] * 8)

    assert judgement.verdict == "undecided"
    assert judgement.low == 1.0


def test_a_median_under_the_floor_is_not_worse_though_all_units_rose() -> None:
    judgement = judge([0.0004] * 7 + [0.003])

    assert judgement.verdict == "undecided"
    assert judgement.reason == "a change below the floor and one above it both fit the samples"


def test_one_wild_unit_neither_makes_nor_hides_a_change() -> None:
    assert judge([0.02] * 11 + [-5.0]).verdict == "worse"
    assert judge([0.0] * 11 + [5.0]).verdict == "same"


def test_seven_units_are_undecided_and_say_that_eight_are_needed() -> None:
    judgement = judge([0.02] * 7)

    assert judgement == Judgement(
        verdict=Verdict.UNDECIDED,
        ratio=math.exp(0.02),
        low=None,
        high=None,
        level=0.01,
        units=7,
        units_to_decide=8,
        reason="7 units, at least 8 are needed",
    )


def test_a_smaller_alpha_needs_more_units_and_says_how_many() -> None:
    judgement = judge([0.02] * 8, level=0.001)

    assert judgement.verdict == "undecided"
    assert judgement.reason == "8 units, at least 11 are needed"
    assert judgement.units_to_decide == 11
    assert judge([0.02] * 11, level=0.001).verdict == "worse"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "there are no values"),
        ([0.01] * 9 + [math.nan], "a value is not finite"),
        ([0.01] * 9 + [math.inf], "a value is not finite"),
        ([0.01] * 9 + [-1e300], "a value is not finite"),
        ([math.nan], "a value is not finite"),
    ],
)
def test_values_without_a_meaning_are_invalid_with_the_reason(values: list[float], reason: str) -> None:
    assert judge(values) == Judgement(
        verdict=Verdict.INVALID,
        ratio=None,
        low=None,
        high=None,
        level=0.01,
        units=len(values),
        units_to_decide=None,
        reason=reason,
    )


def test_the_largest_ratio_a_float_holds_is_still_judged() -> None:
    assert judge([math.log(sys.float_info.max)] * 8).verdict == "worse"


def test_eight_units_cannot_find_a_change_among_two_contrasts() -> None:
    alone, other = judge_family([SLOWER, NOISE])

    assert alone.verdict == "undecided"
    assert alone.reason == "8 units, at least 9 are needed"
    assert alone.units_to_decide == 9
    assert other.verdict == "undecided"


def test_nine_units_can() -> None:
    assert [judgement.verdict for judgement in judge_family([[*SLOWER, 0.02], [*NOISE, 0.0]])] == [
        "worse",
        "undecided",
    ]


def test_twenty_contrasts_need_twelve_units() -> None:
    short, *_ = judge_family([[0.02] * 7] * 20)

    assert short.reason == "7 units, at least 12 are needed"
    assert judge_family([[0.02] * 11] * 20)[0].verdict == "undecided"
    assert {judgement.verdict for judgement in judge_family([[0.02] * 12] * 20)} == {Verdict.WORSE}


def test_an_invalid_contrast_does_not_count_in_the_family() -> None:
    first, second, third = judge_family([[], SLOWER, [math.nan]])

    assert [first.verdict, second.verdict, third.verdict] == ["invalid", "worse", "invalid"]
    assert second.level == 0.01


def test_a_contrast_with_too_few_units_counts_in_the_family() -> None:
    _, second = judge_family([[0.02] * 3, SLOWER])

    assert second.level == 0.005


def test_every_interval_of_a_family_holds_at_its_share_of_the_chance() -> None:
    wide = [number / 1000 - 0.0125 for number in range(26)]

    alone, (shared, _) = judge(wide), judge_family([wide, wide])

    assert alone.high == pytest.approx(math.exp(0.006))
    assert shared.high == pytest.approx(math.exp(0.0065))


def test_a_family_of_none_has_no_judgements() -> None:
    assert judge_family([]) == ()


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"better": "less"}, "better is 'less'; it is 'lower' or 'higher'"),
        ({"floor": -0.1}, "floor is -0.1; it is finite and at least 0"),
        ({"floor": math.nan}, "floor is nan; it is finite and at least 0"),
        ({"level": 0.0}, "alpha is 0.0; it lies between 0 and 1"),
        ({"level": 1.0}, "alpha is 1.0; it lies between 0 and 1"),
    ],
)
def test_rules_without_a_meaning_are_refused_in_a_sentence(rules: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        judge(SLOWER, **rules)  # type: ignore[arg-type]


def test_a_change_that_needs_an_interval_1_4_times_narrower_needs_twice_the_units() -> None:
    judgement = judge([-0.01, 0.0, 0.01, 0.02, 0.03, 0.03, 0.04, 0.05])

    assert judgement.reason == "no change and a change above the floor both fit the samples"
    assert judgement.units_to_decide == 16  # 8 x (0.035 / 0.025) ** 2 = 15.7


def test_sameness_that_needs_an_interval_twice_as_narrow_needs_four_times_the_units() -> None:
    limit = math.log1p(0.01)

    judgement = judge([-2 * limit, -limit, -limit, 0.0, 0.0, limit, limit, 1.9 * limit], floor=0.01)

    assert judgement.verdict == "undecided"
    assert judgement.units_to_decide == 32


def test_the_estimate_is_always_more_than_what_was_not_enough() -> None:
    judgement = judge([0.0] * 4 + [0.02] * 8)

    assert judgement.units_to_decide == 13


def test_the_bound_is_the_larger_end_of_the_interval_either_way() -> None:
    assert judge(NOISE).bound == pytest.approx(math.expm1(0.05))
    assert judge([-0.2, *[0.0] * 9]).bound == pytest.approx(math.expm1(0.1))  # of -0.2 and 0 the mean
    assert judge([0.02] * 7).bound is None


def test_what_is_decided_is_known_to_half_of_itself_or_inside_the_floor() -> None:
    def is_enough(values: list[float]) -> bool:
        return is_decided([[value] for value in values], floor=LAYOUT_FLOOR, level=ALPHA)

    assert is_enough([0.02] * 8)
    assert not is_enough([0.02] * 7)
    assert is_enough([0.001, -0.001] * 6)
    assert not is_enough([0.009] * 3 + [0.02] * 6)  # a difference, yet one of 0.9 to 2 %
    assert judge([0.009] * 3 + [0.02] * 6).verdict == "worse"
    assert not is_enough(NOISE)
    assert not is_enough([math.nan] * 9)


def test_an_estimate_stops_at_the_most_units() -> None:
    on_the_floor = [math.log1p(FLOOR)] * 8 + [1.0, -1.0]

    assert judge(on_the_floor).units_to_decide == MOST_UNITS == 100_000


VALUES = st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=30)
FAMILIES = st.lists(VALUES, min_size=1, max_size=4)
MIRRORED = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.WORSE: Verdict.BETTER,
    Verdict.SAME: Verdict.SAME,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
}


def inverse(ratio: float | None) -> float | None:
    return None if ratio is None else pytest.approx(1 / ratio, rel=1e-12)


@quick
@given(FAMILIES, st.sampled_from([0.0, 0.001, 0.02]))
def test_swapped_sides_mirror_the_judgement(contrasts: list[list[float]], floor: float) -> None:
    swapped = [[-value for value in values] for values in contrasts]

    for there, back in zip(
        judge_family(contrasts, floor=floor), judge_family(swapped, floor=floor), strict=True
    ):
        assert back == dataclasses.replace(
            there,
            verdict=MIRRORED[there.verdict],
            ratio=inverse(there.ratio),
            low=inverse(there.high),
            high=inverse(there.low),
        )


@quick
@given(FAMILIES)
def test_higher_is_better_turns_the_verdict_and_nothing_else(contrasts: list[list[float]]) -> None:
    for lower, higher in zip(judge_family(contrasts), judge_family(contrasts, better="higher"), strict=True):
        assert higher == dataclasses.replace(lower, verdict=MIRRORED[lower.verdict])


@quick
@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_units_is_of_no_matter(values: list[float], chance: random.Random) -> None:
    shuffled = chance.sample(values, len(values))

    assert judge(shuffled) == judge(values)


@quick
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=8, max_size=30),
    st.floats(1e-9, 1e3),
)
def test_the_unit_of_time_leaves_the_ratio_alone(pairs: list[tuple[int, int]], scale: float) -> None:
    nanoseconds = judging.judge(log_ratios([[a] for a, _ in pairs], [[b] for _, b in pairs], "layout"))
    scaled = judging.judge(
        log_ratios([[scale * a] for a, _ in pairs], [[scale * b] for _, b in pairs], "layout")
    )

    for name in ("ratio", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(nanoseconds, name), rel=1e-9)


@quick
@given(
    st.lists(st.lists(st.floats(1e-7, 1e3), min_size=1, max_size=4), min_size=1, max_size=30),
    st.sampled_from(["layout", "round"]),
    st.sampled_from([0.0, FLOOR]),
)
def test_samples_against_themselves_never_differ(samples: list[list[float]], unit: str, floor: float) -> None:
    values = log_ratios(samples, samples, unit)

    assert judging.judge(values, floor=floor).verdict == ("same" if len(values) >= 8 else "undecided")


@quick
@given(FAMILIES)
def test_every_undecided_contrast_says_why_and_what_would_decide(contrasts: list[list[float]]) -> None:
    for judgement in judge_family(contrasts):
        undecided = judgement.verdict is Verdict.UNDECIDED
        assert bool(judgement.reason) == undecided
        assert (judgement.units_to_decide is not None) == undecided
        assert judgement.units_to_decide is None or judgement.units_to_decide > judgement.units


Layouts = tuple[tuple[float, ...], ...]

# Simulated machines. A side of a draw carries the luck of its place in memory, and every sample a noise whose
# tail is so heavy that it has no variance.


def side(chance: random.Random, cost: float, draws: int, rounds: int) -> list[list[float]]:
    placed = [cost * math.exp(chance.gauss(0, 0.003)) for _ in range(draws)]
    return [[here * (1 + 0.002 * (chance.paretovariate(1.5) - 1)) for _ in range(rounds)] for here in placed]


@functools.cache
def pairs_of_contrasts(
    count: int, *, change: float = 1.0, draws: int, rounds: int = 3, unit: str = "layout"
) -> tuple[tuple[Layouts, Layouts], ...]:
    chance = random.Random(20240229)

    def contrast() -> Layouts:
        reference = side(chance, 7e-5, draws, rounds)
        return log_ratios(reference, side(chance, 7e-5 * change, draws, rounds), unit)

    return tuple((contrast(), contrast()) for _ in range(count))


MOST_ALARMS = 29  # of 2,000 at a chance of 1 %: 20, and two standard deviations


def alarms(families: list[tuple[Judgement, ...]]) -> int:
    return sum(not {"better", "worse"}.isdisjoint(one.verdict for one in family) for family in families)


@pytest.mark.process
def test_equal_sides_raise_an_alarm_in_at_most_one_percent_of_families() -> None:
    # No floor, for it hides alarms.
    judged = [judging.judge_family(family, floor=0.0) for family in pairs_of_contrasts(2000, draws=12)]

    assert 0 < alarms(judged) <= MOST_ALARMS


@pytest.mark.process
def test_without_the_family_more_than_one_percent_of_pairs_would() -> None:
    families = pairs_of_contrasts(2000, draws=12)

    assert (
        alarms([tuple(judging.judge(one, floor=0.0) for one in family) for family in families]) > MOST_ALARMS
    )


def test_rounds_that_share_a_place_in_memory_are_no_units() -> None:
    families = pairs_of_contrasts(200, draws=9, rounds=10, unit="round")

    assert alarms([judging.judge_family(family, floor=0.0) for family in families]) > 20  # 2 are allowed


@pytest.mark.parametrize(("change", "verdict"), [(1.02, Verdict.WORSE), (1 / 1.02, Verdict.BETTER)])
def test_a_planted_two_percent_is_found_in_every_contrast(change: float, verdict: Verdict) -> None:
    judged = [judging.judge_family(family) for family in pairs_of_contrasts(100, change=change, draws=20)]

    assert {one.verdict for family in judged for one in family} == {verdict}


@pytest.mark.process
def test_the_module_loads_neither_scipy_nor_torch() -> None:
    code = "import sys, harness.judge.verdict; print({'scipy', 'numpy', 'torch'}.intersection(sys.modules))"
    assert printed_anew(code) == "set()"
