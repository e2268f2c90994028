"""Break each rule of the judge in turn: a short list of literal expectations notices every one."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import harness.judge

INTERVAL = "interval"
VERDICT = "verdict"

SLOWER = [0.01, 0.02, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02]
FASTER = [-value for value in SLOWER]
NOISE = [0.05, -0.05, 0.04, -0.04, 0.03, -0.03, 0.02, -0.02]
WIDE = [-0.01, 0.0, 0.01, 0.02, 0.03, 0.03, 0.04, 0.05]
LIMIT = math.log1p(0.01)


class Judge(NamedTuple):
    """Both modules, as they stand or with one line broken."""

    interval: Any
    verdict: Any

    def ends(self, values: list[float], confidence: float = 0.99) -> tuple[float, float] | None:
        found = self.interval.median_interval(values, confidence)
        return found and (found.low, found.high)

    def says(self, *contrasts: list[float], **rules: Any) -> list[str]:
        return [str(one.verdict) for one in self.verdict.judge_family(contrasts, **rules)]

    def needs(self, *contrasts: list[float], **rules: Any) -> int | None:
        first: int | None = self.verdict.judge_family(contrasts, **rules)[0].units_to_decide
        return first

    def refuses(self, reference: list[list[float]], arm: list[list[float]], unit: str = "layout") -> str:
        try:
            return f"took it for {self.interval.log_ratios(reference, arm, unit)}"
        except ValueError as refusal:
            return str(refusal)


def rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 6) for value in values]


EXPECTATIONS: dict[str, tuple[Callable[[Judge], object], object]] = {
    "seven values have no interval": (lambda j: j.ends([1, 2, 3, 4, 5, 6, 7], 0.9), None),
    "eight values have": (lambda j: j.ends([1, 2, 3, 4, 5, 6, 7, 8]), (1, 8)),
    "eight values have none at 99.9 %": (lambda j: j.ends([1, 2, 3, 4, 5, 6, 7, 8], 0.999), None),
    "an equal coverage is enough": (lambda j: j.ends([1, 2, 3, 4, 5, 6, 7, 8], 0.9921875), (1, 8)),
    "twelve values leave one out at each end": (lambda j: j.ends(list(range(12))), (1, 10)),
    "twenty leave out three": (lambda j: j.ends(list(range(20, 0, -1))), (4, 17)),
    "coverage counts both tails": (
        lambda j: j.interval.median_interval(list(range(8))).coverage,
        0.9921875,
    ),
    "the sign test is two-sided": (
        lambda j: rounded((j.interval.sign_test([1] * 8), j.interval.sign_test([-1] * 8))),
        [0.007812, 0.007812],
    ),
    "ties are dropped": (lambda j: rounded((j.interval.sign_test([0] * 4 + [1] * 8),)), [0.007812]),
    "ties alone say nothing": (lambda j: j.interval.sign_test([0.0] * 8), 1.0),
    "signs are about the centre": (
        lambda j: rounded((j.interval.sign_test([1] * 8, centre=2),)),
        [0.007812],
    ),
    "Holm steps down": (lambda j: rounded(j.interval.holm([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06]),
    "Holm stops at 1": (lambda j: rounded(j.interval.holm([0.8, 0.9])), [1.0, 1.0]),
    "the ratio is arm over reference": (
        lambda j: rounded(j.interval.log_ratios([[1.0]], [[2.0]], "layout")),
        [0.693147],
    ),
    "a layout is the mean of the fastest quarter of its rounds": (
        lambda j: rounded(
            j.interval.log_ratios([[9.0, 1.0, 9.0, 9.0, 1.0]], [[3.0, 1.0, 9.0, 9.0, 9.0]], "layout")
        ),
        [0.693147],
    ),
    "a quarter of four rounds is one": (
        lambda j: rounded(j.interval.log_ratios([[1.0, 9.0, 1.0, 1.0]], [[4.0, 2.0, 2.5, 9.0]], "layout")),
        [0.693147],
    ),
    "what is undisturbed is in seconds": (lambda j: j.interval.undisturbed([5.0, 2.0, 3.0, 4.0, 1.0]), 1.5),
    "a window is worth what a layout is": (
        lambda j: rounded(
            j.interval.log_ratios([[1.0, 1.0], [1.0, 1.0]], [[2.0, 5.0], [9.0, 2.0]], "window")
        ),
        [0.693147, 0.693147],
    ),
    "a round is itself": (
        lambda j: rounded(j.interval.log_ratios([[1.0, 1.0, 1.0]], [[2.0, 1.0, 9.0]], "round")),
        [0.693147, 0.0, 2.197225],
    ),
    "rounds are paired as they stand": (
        lambda j: rounded(j.interval.log_ratios([[1.0, 2.0]], [[4.0, 1.0]], "round")),
        [1.386294, -0.693147],
    ),
    "layouts are paired": (
        lambda j: j.refuses([[1.0]], [[1.0], [1.0]]),
        "reference has 1 layouts, arm has 2; they are paired",
    ),
    "rounds are paired": (
        lambda j: j.refuses([[1.0]], [[1.0, 1.0]]),
        "reference[0] has 1 rounds, arm[0] has 2; they are paired",
    ),
    "a layout has rounds": (lambda j: j.refuses([[]], [[]]), "reference[0] and arm[0] have no rounds"),
    "no sample is 0": (
        lambda j: j.refuses([[0.0]], [[1.0]]),
        "reference[0][0] is 0.0; a sample is finite and above 0",
    ),
    "every sample is finite": (
        lambda j: j.refuses([[1.0]], [[math.inf]]),
        "arm[0][0] is inf; a sample is finite and above 0",
    ),
    "a unit is a layout, a window or a round": (
        lambda j: j.refuses([[1.0]], [[1.0]], "pair"),
        "unit is 'pair'; it is 'layout', 'window' or 'round'",
    ),
    "more is worse where lower is better": (lambda j: j.says(SLOWER), ["worse"]),
    "less is better": (lambda j: j.says(FASTER), ["better"]),
    "and the reverse where higher is": (lambda j: j.says(SLOWER, better="higher"), ["better"]),
    "noise is undecided": (lambda j: j.says(NOISE), ["undecided"]),
    "inside the floor is the same": (lambda j: j.says([0.0005] * 8), ["same"]),
    "both ends must be inside": (
        lambda j: j.says([0.0] * 7 + [0.5]) + j.says([0.0] * 7 + [-0.5]),
        ["undecided", "undecided"],
    ),
    "the floor is relative": (
        lambda j: j.says([0.99 * LIMIT] * 8, floor=0.01) + j.says([1.01 * LIMIT] * 8, floor=0.01),
        ["same", "worse"],
    ),
    "a larger floor's logarithm is smaller": (lambda j: j.says([0.45] * 8, floor=0.5), ["worse"]),
    "a median under the floor is no change": (lambda j: j.says([0.0004] * 7 + [0.003]), ["undecided"]),
    "an interval that holds 0 is no change": (lambda j: j.says([0.0] * 4 + [0.02] * 8), ["undecided"]),
    "one wild unit changes nothing": (lambda j: j.says([0.02] * 11 + [-5.0]), ["worse"]),
    "eight units are too few for two contrasts": (
        lambda j: j.says(SLOWER, NOISE),
        ["undecided", "undecided"],
    ),
    "nine are enough": (lambda j: j.says([*SLOWER, 0.02], [*NOISE, 0.0]), ["worse", "undecided"]),
    "Holm is gentler than its first step": (lambda j: j.says([0.02] * 13, [0.02] * 8), ["worse", "worse"]),
    "a smaller alpha asks for more units": (lambda j: j.needs([0.02] * 8, alpha=0.001), 11),
    "a larger alpha narrows the interval": (
        lambda j: j.says([-0.02] + [0.02] * 11, alpha=0.05) + j.says([-0.02] + [0.02] * 8, alpha=0.05),
        ["worse", "worse"],
    ),
    "no values are invalid": (lambda j: j.says([], SLOWER), ["invalid", "worse"]),
    "nan is invalid": (lambda j: j.says([math.nan] + [0.02] * 9), ["invalid"]),
    "the ratio is the median's": (
        lambda j: round(j.verdict.judge([0.0] * 4 + [math.log(2)] * 5 + [9.0]).ratio, 6),
        2.0,
    ),
    "its ends are ratios": (
        lambda j: (round(j.verdict.judge(SLOWER).low, 6), round(j.verdict.judge(SLOWER).high, 6)),
        (1.01005, 1.030455),
    ),
    "too few units need the fewest": (lambda j: (j.needs([0.02] * 3), j.needs(*[[0.02] * 7] * 20)), (8, 12)),
    "half the width needs four times the units": (
        lambda j: j.needs([-2 * LIMIT] + [0.0] * 6 + [2 * LIMIT], floor=0.01),
        32,
    ),
    "each end has its own room": (
        lambda j: [
            j.needs([sign * -2.49 * LIMIT] + [sign * 0.5 * LIMIT] * 7, floor=0.01) for sign in (1, -1)
        ],
        [32, 32],
    ),
    "a change needs its near end past 0": (lambda j: j.needs(WIDE), 16),
    "and so downwards": (lambda j: j.needs([-value for value in WIDE]), 16),
    "a family needs more": (lambda j: j.needs(WIDE, WIDE), 19),
    "Holm needs its fewest": (lambda j: j.needs(SLOWER, *[NOISE] * 19), 12),
    "not enough is never enough": (lambda j: j.needs([0.0] * 4 + [0.02] * 8), 13),
    "an estimate has an end": (lambda j: j.needs([math.log1p(0.001)] * 8 + [1.0, -1.0]), 100_000),
}

# what is broken: the module, the text that stands there once, and what is put in its place
MUTATIONS: dict[str, tuple[str, str, str]] = {
    "one unit fewer is enough": (INTERVAL, "MIN_UNITS = 8 ", "MIN_UNITS = 7 "),
    "one unit more is needed": (INTERVAL, "MIN_UNITS = 8 ", "MIN_UNITS = 9 "),
    "low end one order statistic inwards": (INTERVAL, "low=ordered[rank - 1]", "low=ordered[rank]"),
    "high end one order statistic inwards": (INTERVAL, "high=ordered[-rank]", "high=ordered[-rank - 1]"),
    "interval one order statistic narrower": (INTERVAL, ".sum())  #", ".sum()) + 1  #"),
    "interval one order statistic wider": (INTERVAL, ".sum())  #", ".sum()) - 1  #"),
    "coverage must exceed the confidence": (INTERVAL, "tails <= (1", "tails < (1"),
    "interval of one tail": (INTERVAL, "(1 - confidence) / 2", "(1 - confidence)"),
    "coverage of one tail": (INTERVAL, "1 - 2 * tails", "1 - tails"),
    "values not sorted": (INTERVAL, "sorted(values)", "list(values)"),
    "ties kept": (INTERVAL, "binomtest(above, above + below)", "binomtest(above, len(values))"),
    "ties counted as a rise": (INTERVAL, "value > centre", "value >= centre"),
    "ties alone are certain": (INTERVAL, "return 1.0", "return 0.0"),
    "sign test for a rise only": (INTERVAL, "above + below).p", "above + below, alternative='greater').p"),
    "sign test about 0": (INTERVAL, "value > centre", "value > 0"),
    "Holm skipped": (INTERVAL, "(len(p_values) - rank) * p_values", "p_values"),
    "Bonferroni for Holm": (INTERVAL, "(len(p_values) - rank)", "len(p_values)"),
    "Holm one step late": (INTERVAL, "(len(p_values) - rank)", "(len(p_values) - rank - 1)"),
    "Holm may fall": (INTERVAL, "max(largest, min(", "max(0.0, min("),
    "Holm passes 1": (INTERVAL, "min(1.0, (len", "min(9.0, (len"),
    "Holm in the order of the ranks": (INTERVAL, "adjusted[index]", "adjusted[rank]"),
    "ratio inverted": (INTERVAL, "math.log(after) - math.log(before)", "math.log(before) - math.log(after)"),
    "relative change for the logarithm": (
        INTERVAL,
        "math.log(after) - math.log(before)",
        "after / before - 1",
    ),
    "mean of the rounds": (INTERVAL, "FASTEST = 0.25", "FASTEST = 1.0"),
    "half of the rounds": (INTERVAL, "FASTEST = 0.25", "FASTEST = 0.5"),
    "fastest of the rounds": (INTERVAL, "FASTEST = 0.25", "FASTEST = 0.01"),
    "slowest of the rounds": (INTERVAL, "sorted(samples)", "sorted(samples, reverse=True)"),
    "first of the rounds": (INTERVAL, "sorted(samples)", "list(samples)"),
    "sum for the mean": (INTERVAL, "math.fsum(fastest) / len(fastest)", "math.fsum(fastest)"),
    "rounds sorted before they are paired": (
        INTERVAL,
        "zip(*layout, strict",
        "zip(*map(sorted, layout), strict",
    ),
    "layout and round exchanged": (INTERVAL, 'if unit == "round"', 'if unit != "round"'),
    "window and round exchanged": (INTERVAL, 'if unit == "round"', 'if unit != "layout"'),
    "any unit taken": (INTERVAL, 'if unit not in {"draw", "layout", "window", "round"}', "if not unit"),
    "layouts not counted": (INTERVAL, "if len(reference) != len(arm)", "if not len(arm)"),
    "rounds not counted": (INTERVAL, "if len(before) != len(after)", "if len(before) > len(after)"),
    "layouts without rounds taken": (INTERVAL, "if not before:", "if before is None:"),
    "samples of 0 taken": (INTERVAL, "if not 0 < sample", "if not 0 <= sample"),
    "infinite samples taken": (INTERVAL, "sample < math.inf", "sample <= math.inf"),
    "sign of the verdict flipped": (VERDICT, "if centre > 0 else _OPPOSITE", "if centre < 0 else _OPPOSITE"),
    "every change is a rise": (VERDICT, "if centre > 0 else _OPPOSITE", "if True else _OPPOSITE"),
    "better ignored": (VERDICT, 'if better == "lower" else Verdict.BETTER', "if better else Verdict.BETTER"),
    "floor ignored for sameness": (VERDICT, "elif -self.limit <= interval.low and", "elif False and"),
    "floor ignored for a change": (VERDICT, " and abs(centre) > self.limit", ""),
    "floor from one side": (VERDICT, "elif -self.limit <= interval.low and", "elif"),
    "floor from the other side": (VERDICT, " and interval.high <= self.limit", ""),
    "floor not in log units": (VERDICT, "limit=math.log1p(floor)", "limit=floor"),
    "floor tenfold": (VERDICT, "limit=math.log1p(floor)", "limit=math.log1p(10 * floor)"),
    "sameness by the median": (VERDICT, "elif -self.limit <= interval.low", "elif -self.limit <= centre"),
    "raw p": (VERDICT, "elif p_adjusted <=", "elif p <="),
    "p ignored": (VERDICT, "elif p_adjusted <= self.alpha and", "elif"),
    "interval may hold 0": (VERDICT, " and not interval.low <= 0 <= interval.high", ""),
    "mean for the median": (VERDICT, "statistics.median(values)", "statistics.fmean(values)"),
    "interval at 99 % whatever alpha": (VERDICT, "confidence=1 - self.alpha", "confidence=0.99"),
    "alpha at 1 % whatever was asked": (VERDICT, "p_adjusted <= self.alpha", "p_adjusted <= ALPHA"),
    "empty contrasts taken": (VERDICT, "if not values:", "if values is None:"),
    "nan taken": (VERDICT, "if not all(abs(value) <= _LARGEST", "if any(abs(value) > _LARGEST"),
    "ratio left in log units": (VERDICT, "ratio=math.exp(centre)", "ratio=centre"),
    "low end left in log units": (VERDICT, "math.exp(interval.low)", "interval.low"),
    "ends exchanged": (VERDICT, "else math.exp(interval.high)", "else math.exp(interval.low)"),
    "too few units told of the family's alpha alone": (
        VERDICT,
        "_fewest_units(self.alpha / family)",
        "MIN_UNITS",
    ),
    "widths shrink with the units": (VERDICT, "units * strain * strain", "units * strain"),
    "room of the far side": (VERDICT, "_times(centre - interval.low, self.limit + centre)", "0"),
    "room of the near side": (VERDICT, "_times(interval.high - centre, self.limit - centre)", "0"),
    "low room counted from 0": (VERDICT, "self.limit + centre", "self.limit"),
    "high room counted from 0": (VERDICT, "self.limit - centre", "self.limit"),
    "far end taken for the near one": (
        VERDICT,
        "if centre > 0 else -interval.high",
        "if centre < 0 else -interval.high",
    ),
    "family left out of the estimate": (VERDICT, "level /= family", "level /= 1"),
    "family's width left out": (VERDICT, "* _deviations(level) / _deviations(self.alpha)", ""),
    "fewest units left out": (VERDICT, "_fewest_units(level), estimate", "estimate"),
    "the units there are might do": (VERDICT, "max(units + 1,", "max(units,"),
    "an estimate without end": (VERDICT, "min(MOST_UNITS, units", "min(10 * MOST_UNITS, units"),
    "one unit too few for alpha": (VERDICT, "math.ceil(1 - math.log2", "math.ceil(0 - math.log2"),
}


def text_of(name: str) -> str:
    return (Path(harness.judge.__file__).parent / f"{name}.py").read_text(encoding="utf-8")


def load(monkeypatch: pytest.MonkeyPatch, broken: str = "", before: str = "", after: str = "") -> Judge:
    loaded = []
    for name in (INTERVAL, VERDICT):
        text = text_of(name)
        if name == broken:
            assert text.count(before) == 1, (
                f"{before!r} no longer stands once in {name}: bring the mutation up to date"
            )
            text = text.replace(before, after)
        module = ModuleType(f"harness.judge.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)  # the verdict imports the broken interval
        exec(compile(text, f"{name}.py", "exec"), module.__dict__)  # noqa: S102
        loaded.append(module)
    return Judge(*loaded)


def unmet(judge: Judge) -> Iterator[str]:
    for name, (ask, answer) in EXPECTATIONS.items():
        try:
            met = ask(judge) == answer
        except Exception:  # noqa: BLE001 - broken code may raise anything
            met = False
        if not met:
            yield name


def test_the_judge_meets_every_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(unmet(load(monkeypatch))) == []


@pytest.mark.parametrize(("broken", "before", "after"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_broken_rule_is_noticed(
    monkeypatch: pytest.MonkeyPatch, broken: str, before: str, after: str
) -> None:
    assert any(unmet(load(monkeypatch, broken, before, after)))
