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


# Ten layouts whose rounds agree, and ten whose rounds owe nothing to the layout.
PLACED = [[place] * 9 for place in (0.03, -0.02, 0.01, 0.04, -0.01, 0.02, 0.03, -0.03, 0.02, 0.01)]
MIXED = [
    [place, -0.01, 0.03, 0.02] for place in (0.03, -0.02, 0.01, 0.04, -0.01, 0.02, 0.03, -0.03, 0.0, 0.05)
]


def alone(values: list[float]) -> list[list[float]]:
    """Return values of which each is a unit by itself."""
    return [[value] for value in values]


class Judge(NamedTuple):
    """Both modules, as they stand or with one line broken."""

    interval: Any
    verdict: Any

    def ends(self, values: list[float], confidence: float = 0.99) -> tuple[float, float] | None:
        found = self.interval.median_interval(values, confidence)
        return found and (found.low, found.high)

    def between(self, layouts: list[list[float]], level: float = 0.01) -> tuple[float, float] | None:
        found = self.interval.layout_interval(layouts, level)
        return found and (found.low, found.high)

    def decides(self, values: list[float], **rules: Any) -> bool:
        return bool(self.verdict.is_decided(alone(values), **{"floor": 0.005, "level": 0.01, **rules}))

    def says(self, *contrasts: list[float], **rules: Any) -> list[str]:
        return [str(one.verdict) for one in self.verdict.judge_family(list(map(alone, contrasts)), **rules)]

    def needs(self, *contrasts: list[float], **rules: Any) -> int | None:
        first: int | None = self.verdict.judge_family(list(map(alone, contrasts)), **rules)[0].units_to_decide
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
    "the flip test is two-sided": (
        lambda j: rounded((j.interval.flip_test(alone([1] * 8)), j.interval.flip_test(alone([-1] * 8)))),
        [0.007812, 0.007812],
    ),
    "ties are dropped": (
        lambda j: rounded((j.interval.flip_test(alone([0] * 4 + [1] * 8)),)),
        [0.007812],
    ),
    "ties alone say nothing": (lambda j: j.interval.flip_test(alone([0.0] * 8)), 1.0),
    "signs are about the centre": (
        lambda j: rounded((j.interval.flip_test(alone([1] * 8), 2), j.interval.flip_test(alone([2] * 8), 2))),
        [0.007812, 1.0],
    ),
    "the nearest third weighs less": (
        lambda j: rounded((j.interval.flip_test(alone([-1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -12])),)),
        [0.027832],
    ),
    "the nearest third weighs by rank": (
        lambda j: rounded((j.interval.flip_test(alone([*range(-12, -1), *range(13, 32), 1])),)),
        [0.02019],
    ),
    "those at one distance weigh the same": (
        lambda j: rounded((j.interval.flip_test(alone([-1, -1, -1, 1, *range(2, 10)])),)),
        [0.040527],
    ),
    "the median is always inside": (
        lambda j: j.between(alone([-0.01, -0.02] * 30 + [0.5 + step / 100 for step in range(61)]), 0.1)[0],
        0.5,
    ),
    "the rounds of a layout turn together": (
        lambda j: rounded((j.interval.flip_test([[1, 2, 3], [1, 2, 3], [1, 2, 3], [-1], [1]]),)),
        [0.1875],
    ),
    "many layouts are normal": (
        lambda j: rounded((j.interval.flip_test([[1, 1], [-1]] * 251 + [[-1] * 7] * 30),)),
        [0.443521],
    ),
    "rounds that agree count as one": (lambda j: j.between(PLACED), (-0.02, 0.035)),
    "rounds that do not count for themselves": (lambda j: j.between(MIXED), (0.0, 0.025)),
    "layouts have an interval at their level": (
        lambda j: (j.between(MIXED, 0.3), j.between(alone(list(range(12))), 0.1)),
        ((0.02, 0.02), (3.0, 8.0)),
    ),
    "seven layouts have none": (lambda j: j.between([[1.0, 2.0]] * 7, 0.5), None),
    "nor have eight at three nines": (lambda j: j.between([[1.0, 2.0]] * 8, 0.001), None),
    "the ratio is arm over reference": (
        lambda j: rounded(j.interval.log_ratios([[1.0]], [[2.0]], "layout")[0]),
        [0.693147],
    ),
    "a layout has its rounds": (
        lambda j: j.interval.log_ratios([[1.0, 1.0], [1.0]], [[1.0, 1.0], [1.0]], "layout"),
        ((0.0, 0.0), (0.0,)),
    ),
    "a draw is a layout": (
        lambda j: j.interval.log_ratios([[1.0, 1.0], [1.0]], [[1.0, 1.0], [1.0]], "draw"),
        ((0.0, 0.0), (0.0,)),
    ),
    "a window is its rounds": (
        lambda j: j.interval.log_ratios([[1.0, 1.0], [1.0]], [[1.0, 1.0], [1.0]], "window"),
        ((0.0,), (0.0,), (0.0,)),
    ),
    "rounds are paired as they stand": (
        lambda j: [rounded(one) for one in j.interval.log_ratios([[1.0, 2.0]], [[4.0, 1.0]], "round")],
        [[1.386294], [-0.693147]],
    ),
    "the middle is the median of all rounds": (lambda j: j.interval.middle([[1.0, 2.0], [9.0]]), 2.0),
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
    "nor is one above 0": (lambda j: j.says([0.0009] * 8 + [0.0011] * 7), ["undecided"]),
    "one wild unit changes nothing": (lambda j: j.says([0.02] * 11 + [-5.0]), ["worse"]),
    "eight units are too few for two contrasts": (
        lambda j: j.says(SLOWER, NOISE),
        ["undecided", "undecided"],
    ),
    "nine are enough": (lambda j: j.says([*SLOWER, 0.02], [*NOISE, 0.0]), ["worse", "undecided"]),
    "a level is shared out": (
        lambda j: j.verdict.judge_family([alone(SLOWER), alone(NOISE), []])[0].level,
        0.005,
    ),
    "a known difference is decided": (lambda j: j.decides([0.02] * 8) and j.decides([-0.02] * 8), True),
    "one known to less than half is not": (
        lambda j: j.decides([0.02] * 6 + [0.009] * 4) or j.decides([0.02] * 6 + [0.031] * 4),
        False,
    ),
    "equality is decided inside the floor": (
        lambda j: (j.decides([0.001, -0.001] * 5), j.decides([0.001, -0.001] * 5, floor=0.0005)),
        (True, False),
    ),
    "a few units decide nothing": (lambda j: j.decides([0.02] * 7, level=0.5), False),
    "nan decides nothing": (lambda j: j.decides([math.nan] * 9), False),
    "a smaller alpha asks for more units": (lambda j: j.needs([0.02] * 8, alpha=0.001), 11),
    "a larger alpha narrows the interval": (
        lambda j: j.says([-0.02] + [0.02] * 11, alpha=0.05) + j.says([-0.02] + [0.02] * 8, alpha=0.05),
        ["worse", "worse"],
    ),
    "no values are invalid": (lambda j: j.says([], SLOWER), ["invalid", "worse"]),
    "nan is invalid": (lambda j: j.says([math.nan] + [0.02] * 9), ["invalid"]),
    "the ratio is the median's": (
        lambda j: round(j.verdict.judge(alone([0.0] * 4 + [math.log(2)] * 5 + [9.0])).ratio, 6),
        2.0,
    ),
    "its ends are ratios": (
        lambda j: (
            round(j.verdict.judge(alone(SLOWER)).low, 6),
            round(j.verdict.judge(alone(SLOWER)).high, 6),
        ),
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
    "a family needs its fewest": (lambda j: j.needs(SLOWER, *[NOISE] * 19), 12),
    "the bound is the far end, either way": (
        lambda j: [
            round(j.verdict.judge(alone(one)).bound, 6) for one in ([0.2] + [0.0] * 9, [-0.2] + [0.0] * 9)
        ],
        [0.105171, 0.105171],
    ),
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
    "ties counted as a rise": (INTERVAL, "(offsets > 0)", "(offsets >= 0)"),
    "ties counted as a fall": (INTERVAL, "(offsets < 0)", "(offsets <= 0)"),
    "ties alone are certain": (INTERVAL, "return 1.0", "return 0.0"),
    "flip test for one direction": (INTERVAL, "2 * _chance(", "_chance("),
    "flip test about 0": (INTERVAL, "self.values - centre", "self.values"),
    "signs of a layout not added up": (INTERVAL, "np.add.reduceat", "np.maximum.reduceat"),
    "rounds as layouts": (
        INTERVAL,
        "np.cumsum([0, *map(len, layouts[:-1])])",
        "np.arange(sum(map(len, layouts)))",
    ),
    "all rounds weigh the same": (INTERVAL, "signs * self.weights[_ranks(abs(offsets))]", "signs"),
    "half of the rounds weigh less": (INTERVAL, "\n_INNER = 3 ", "\n_INNER = 2 "),
    "a quarter of the rounds weighs less": (INTERVAL, "\n_INNER = 3 ", "\n_INNER = 4 "),
    "fewer rounds that weigh less": (INTERVAL, "_FEWEST_INNER = 6 ", "_FEWEST_INNER = 4 "),
    "more rounds that weigh less": (INTERVAL, "_FEWEST_INNER = 6 ", "_FEWEST_INNER = 9 "),
    "other weights": (INTERVAL, "_WEIGHTS = 8 ", "_WEIGHTS = 5 "),
    "the far ones weigh ever more": (INTERVAL, "np.minimum(largest, -(", "np.maximum(0, -("),
    "weights by the lower rank": (INTERVAL, 'side="right"', 'side="left"'),
    "weights by the signed distance": (INTERVAL, "_ranks(abs(offsets))", "_ranks(offsets)"),
    "a coin that is loaded": (INTERVAL, "ways += ways <<", "ways += 2 * ways <<"),
    "the tail one step short": (INTERVAL, "- total) // 2)", "- total) // 2 - 1)"),
    "digits that run over": (INTERVAL, "(len(sizes) + 1)", "max(1, len(sizes) - 2)"),
    "the lowest sum left out": (INTERVAL, "(most + 1) * width", "most * width"),
    "normal from the start": (INTERVAL, "_MANY_LAYOUTS = 200", "_MANY_LAYOUTS = 0"),
    "normal without its scale": (INTERVAL, "(total - 1) / deviation /", "(total - 1) /"),
    "normal without the half step": (INTERVAL, "(total - 1)", "total"),
    "low end further in": (INTERVAL, "means.last_below(accepted)", "means.last_below(accepted + 0.01)"),
    "the search ended with three means left": (
        INTERVAL,
        "below_accepted - below_refused > 1:",
        "below_accepted - below_refused > 3:",
    ),
    "an end though nothing is refused": (INTERVAL, "if self.flip_test(refused) > level:", "if False:"),
    "the median left out": (INTERVAL, "if self.flip_test(accepted) <= level:", "if False:"),
    "an end that is not a mean of two": (INTERVAL, "means.last_below(accepted)", "accepted"),
    "too few layouts taken": (INTERVAL, "if len(layouts) < MIN_UNITS", "if not layouts"),
    "at a level of its own": (
        INTERVAL,
        "if self.flip_test(between) <= level",
        "if self.flip_test(between) <= 0.01",
    ),
    "the upper end not mirrored back": (INTERVAL, "Interval(low, -high", "Interval(low, high"),
    "mean for the median": (INTERVAL, "statistics.median(value for", "statistics.fmean(value for"),
    "ratio inverted": (INTERVAL, "math.log(after) - math.log(before)", "math.log(before) - math.log(after)"),
    "relative change for the logarithm": (
        INTERVAL,
        "math.log(after) - math.log(before)",
        "after / before - 1",
    ),
    "rounds sorted before they are paired": (
        INTERVAL,
        "zip(*layout, strict",
        "zip(*map(sorted, layout), strict",
    ),
    "layout and round exchanged": (
        INTERVAL,
        'if unit in {"draw", "layout"}',
        'if unit not in {"draw", "layout"}',
    ),
    "a draw taken for rounds": (INTERVAL, 'if unit in {"draw", "layout"}', 'if unit in {"layout"}'),
    "a window taken for a layout": (INTERVAL, 'if unit in {"draw", "layout"}', 'if unit != "round"'),
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
    "floor ignored for a change": (VERDICT, "abs(centre) > self.limit and not interval", "not interval"),
    "floor from one side": (VERDICT, "elif -self.limit <= interval.low and", "elif"),
    "floor from the other side": (VERDICT, " and interval.high <= self.limit", ""),
    "floor not in log units": (VERDICT, "limit=math.log1p(floor)", "limit=floor"),
    "floor tenfold": (VERDICT, "limit=math.log1p(floor)", "limit=math.log1p(10 * floor)"),
    "sameness by the median": (VERDICT, "elif -self.limit <= interval.low", "elif -self.limit <= centre"),
    "interval may hold 0": (VERDICT, " and not interval.low <= 0 <= interval.high", ""),
    "interval at 99 % whatever the level": (
        VERDICT,
        "layout_interval(layouts, self.level)",
        "layout_interval(layouts, ALPHA)",
    ),
    "level not shared": (VERDICT, "alpha / max(1, valid)", "alpha"),
    "level shared with what is invalid": (
        VERDICT,
        "sum(not _fault(layouts) for layouts in contrasts)",
        "len(contrasts)",
    ),
    "a difference is decided however little is known": (VERDICT, "(centre / 2, 1.5 * centre)", "(0.0, 9.0)"),
    "from below only": (VERDICT, "(centre / 2, 1.5 * centre)", "(centre / 2,)"),
    "from above only": (VERDICT, "(centre / 2, 1.5 * centre)", "(1.5 * centre,)"),
    "sameness decided at once": (VERDICT, "else (-limit, limit)", "else ()"),
    "sameness from one side": (VERDICT, "else (-limit, limit)", "else (9.0,)"),
    "few decided": (VERDICT, "if len(layouts) < MIN_UNITS", "if not layouts"),
    "bound of the high end": (VERDICT, "max(self.high, 1 / self.low) - 1", "self.high - 1"),
    "bound of the low end": (VERDICT, "max(self.high, 1 / self.low) - 1", "1 / self.low - 1"),
    "empty contrasts taken": (VERDICT, "if not values:", "if values is None:"),
    "nan taken": (VERDICT, "if not all(abs(value) <= _LARGEST", "if any(abs(value) > _LARGEST"),
    "ratio left in log units": (VERDICT, "ratio=math.exp(centre)", "ratio=centre"),
    "low end left in log units": (VERDICT, "math.exp(interval.low)", "interval.low"),
    "ends exchanged": (VERDICT, "else math.exp(interval.high)", "else math.exp(interval.low)"),
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
