"""A history of runs: every case, arm and metric over time, and where it changed.

An exact value changed where it differs from the one before. A time changed where its level did: runs are
divided by a rank test, and neither across machines nor for a shift that machines make by themselves.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.judge.exact import exact_values, meaning_of, unit_of
from harness.judge.times import times_of
from harness.record.schema import Environment, Kind, Run, Unit

TREND_ALPHA = 0.01  # the chance of one false change point or more among all series
# Two process starts of one code differ by 0.2 to 1.1 % (standard deviation): less is not a change of level.
SHIFT = 0.02
FEWEST = 5  # runs on either side; with fewer no rank test of a family reaches 1 %
_EXACT_RUNS = 60  # up to here the exact distribution of the rank sum is quick to have


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run of the history."""

    id: str
    started: str
    differs: tuple[str, ...]  # from the run before, in what decides numbers
    other_machine: bool  # than the run before


@dataclass(frozen=True, slots=True)
class Change:
    """Where a series changed."""

    run: int  # the first run of the new value or level
    before: float
    after: float
    p: float | None  # None for an exact value
    differs: tuple[str, ...]  # what of the environment changed with it


@dataclass(frozen=True, slots=True)
class MetricHistory:
    """One metric of one arm of one case, over the runs that hold it."""

    case: str
    arm: str
    metric: str
    unit: Unit
    kind: Kind
    meaning: str
    values: tuple[float | None, ...]  # a run each; the median of a time
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """All series over all runs, the oldest first."""

    points: tuple[RunPoint, ...]
    series: tuple[MetricHistory, ...]

    @property
    def changed(self) -> tuple[MetricHistory, ...]:
        """The series that changed, the latest change first."""
        changed = [series for series in self.series if series.changes]
        return tuple(
            sorted(
                changed, key=lambda series: (-series.changes[-1].run, series.case, series.arm, series.metric)
            )
        )


@dataclass(frozen=True, slots=True)
class _Found:
    unit: Unit
    kind: Kind
    meaning: str
    values: dict[int, float] = field(default_factory=dict)  # by run


_History = dict[tuple[str, str, str], _Found]  # by case, arm and metric


def trend(runs: Sequence[Run]) -> Trend:
    """Put runs in the order in which they were started, and find where anything changed."""
    ordered = sorted(runs, key=lambda run: (run.environment.started, run.id))
    points = tuple(
        RunPoint(
            run.id,
            run.environment.started,
            *_differences(ordered[number - 1].environment if number else None, run.environment),
        )
        for number, run in enumerate(ordered)
    )
    history = _collect(ordered)
    timed = sum(item.kind != "exact" for item in history.values())
    series = []
    for (case, arm, metric), item in history.items():
        if item.kind == "exact":
            changes = _exact_changes(item.values, points)
        else:
            changes = tuple(
                change
                for stretch in _machines(item.values, points)
                for change in _level_changes(stretch, item.values, points, TREND_ALPHA / timed)
            )
        by_run = tuple(item.values.get(number) for number in range(len(ordered)))
        series.append(MetricHistory(case, arm, metric, item.unit, item.kind, item.meaning, by_run, changes))
    return Trend(points, tuple(series))


def _differences(before: Environment | None, after: Environment) -> tuple[tuple[str, ...], bool]:
    if before is None:
        return (), False
    machine = {
        "processor": "processor",
        "device": "device",
        "threads": "threads",
        "cpu_capability": "CPU capability",
    }
    software = {"torch": "torch", "build": "build", "python": "Python"}

    def said(names: dict[str, str]) -> list[str]:
        return [
            f"{word} {getattr(before, name)} -> {getattr(after, name)}"
            for name, word in names.items()
            if getattr(before, name) != getattr(after, name)
        ]

    moved = said(machine)
    packages = [
        f"{name} {before.packages.get(name, 'none')} -> {after.packages.get(name, 'none')}"
        for name in dict.fromkeys((*before.packages, *after.packages))
        if before.packages.get(name) != after.packages.get(name)
    ]
    return (*moved, *said(software), *packages), bool(moved)


def _collect(runs: Sequence[Run]) -> _History:
    history: _History = {}
    for number, run in enumerate(runs):
        metrics = {metric.name: metric for metric in run.metrics}
        for record in run.records:
            seconds = times_of(record)
            for arm in record.arms:
                if arm.status != "ok":
                    continue
                for name, value in exact_values(arm, metrics).items():
                    new = _Found(unit_of(name, metrics), "exact", meaning_of(name, metrics))
                    history.setdefault((record.case.id, arm.arm, name), new).values[number] = value
                for samples in arm.timings:
                    metric = metrics[samples.metric]
                    new = _Found(metric.unit, metric.kind, metric.meaning)
                    series = history.setdefault((record.case.id, arm.arm, metric.name), new)
                    series.values[number] = seconds[arm.arm, metric.name]
    return history


def _exact_changes(values: dict[int, float], points: Sequence[RunPoint]) -> tuple[Change, ...]:
    numbers = list(values)
    return tuple(
        Change(number, values[last], values[number], None, _between(points, last, number))
        for last, number in itertools.pairwise(numbers)
        if values[last] != values[number]
    )


def _between(points: Sequence[RunPoint], last: int, number: int) -> tuple[str, ...]:
    return tuple(text for point in points[last + 1 : number + 1] for text in point.differs)


def _machines(values: dict[int, float], points: Sequence[RunPoint]) -> list[list[int]]:
    """Divide the runs of a series where the machine changed: times of two machines do not make a series."""
    stretches: list[list[int]] = [[]]
    last = 0
    for number in values:
        moves = any(point.other_machine for point in points[last + 1 : number + 1])
        if moves and stretches[-1]:
            stretches.append([])
        stretches[-1].append(number)
        last = number
    return stretches


def _level_changes(
    numbers: Sequence[int], values: dict[int, float], points: Sequence[RunPoint], alpha: float
) -> list[Change]:
    """Divide a stretch at its most likely change of level, and each part again.

    The split has the largest standardised rank sum; its p is that of the Mann-Whitney test times the number
    of splits that were possible, which bounds the chance of the best of them. It is taken at alpha, and where
    the medians differ by more than `SHIFT`.

    Source: A. N. Pettitt, A non-parametric approach to the change-point problem, Applied Statistics 28 (1979)
    126-135, for the statistic; the bound is Bonferroni's.
    """
    count = len(numbers)
    if count < 2 * FEWEST:
        return []
    series = [values[number] for number in numbers]
    split, p = _best_split(series)
    before, after = statistics.median(series[:split]), statistics.median(series[split:])
    if p > alpha or abs(after / before - 1) <= SHIFT:
        return []
    change = Change(numbers[split], before, after, p, _between(points, numbers[split - 1], numbers[split]))
    return [
        *_level_changes(numbers[:split], values, points, alpha),
        change,
        *_level_changes(numbers[split:], values, points, alpha),
    ]


def _best_split(series: Sequence[float]) -> tuple[int, float]:
    """Return the size of the first part, and the p of the split, bounded over all splits."""
    from scipy.stats import mannwhitneyu, rankdata

    count = len(series)
    ranks = rankdata(series)
    splits = range(FEWEST, count - FEWEST + 1)

    def shift(split: int) -> float:
        expected = split * (count + 1) / 2
        spread = (split * (count - split) * (count + 1) / 12) ** 0.5
        return float(abs(ranks[:split].sum() - expected) / spread)

    best = max(splits, key=shift)
    exact = count <= _EXACT_RUNS and len(set(series)) == count
    p = mannwhitneyu(series[:best], series[best:], method="exact" if exact else "asymptotic").pvalue
    return best, min(1.0, float(p) * len(splits))
