"""JSON for other tools, memory included: Bencher's metric format and github-action-benchmark's custom one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.causes import causes
from harness.judge.contrasts import Contrast, contrasts
from harness.judge.finding import Outcome
from harness.record.schema import ArmResult, Metric, Run
from harness.report.sentence import counts_line, verdict_line
from harness.report.units import unit_word

BENCHER_NAME = 64  # characters of a measure's name in Bencher
BENCHER_BENCHMARK = 1024  # and of a benchmark's


@dataclass(frozen=True, slots=True)
class _Value:
    """One number of one arm; a time has the interval that its ratio to the reference leaves it."""

    name: str  # the case and the arm
    metric: Metric
    value: float
    low: float | None = None
    high: float | None = None


def _values(runs: Sequence[Run]) -> Iterator[_Value]:
    several = len(runs) > 1
    for run in runs:
        metrics = {metric.name: metric for metric in run.metrics}
        judged = contrasts(run)
        suffix = f" (torch {run.environment.torch})" if several else ""
        for record in run.records:
            for arm in record.arms:
                if arm.status == "ok":
                    times = [one for one in judged[record.case.id] if one.arm == arm.arm]
                    yield from _of_arm(f"{record.case.id}: {arm.arm}{suffix}", arm, times, metrics)


def _of_arm(
    name: str, arm: ArmResult, times: Sequence[Contrast], metrics: dict[str, Metric]
) -> Iterator[_Value]:
    for one in times:
        low, high = one.interval
        yield _Value(name, metrics[one.metric], one.value, low, high)
    for metric, value in arm.counts.items():
        yield _Value(name, metrics[metric], value)


def bencher(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, float]]]:
    """Return Bencher Metric Format: by benchmark, then by measure, the value and its interval.

    A measure is named by its metric and unit, as in "peak-bytes"; the values are in base units.
    Source: bencher.dev/docs/reference/bencher-metric-format
    """
    table: dict[str, dict[str, dict[str, float]]] = {}
    for item in _values(runs):
        bounds = {"lower_value": item.low, "upper_value": item.high}
        entry = {"value": item.value, **{name: bound for name, bound in bounds.items() if bound is not None}}
        table.setdefault(item.name[:BENCHER_BENCHMARK], {})[_slug(item.metric)] = entry
    return table


def _slug(metric: Metric) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", f"{metric.name} {unit_word(metric.unit)}".lower()).strip("-")
    return words[:BENCHER_NAME]


def smaller_is_better(runs: Sequence[Run]) -> list[dict[str, str | float]]:
    """Return github-action-benchmark's `customSmallerIsBetter`: every metric of which less is better.

    Source: the README of benchmark-action/github-action-benchmark
    """
    entries: list[dict[str, str | float]] = []
    for item in _values(runs):
        if item.metric.better != "lower":
            continue
        entry: dict[str, str | float] = {
            "name": f"{item.name}: {item.metric.name}",
            "unit": unit_word(item.metric.unit),
            "value": item.value,
            "extra": item.metric.meaning,
        }
        if item.low is not None and item.high is not None:
            entry["range"] = f"{item.low:.4g} to {item.high:.4g}"
        entries.append(entry)
    return entries


def outcome_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return outcomes as plain data: the verdict, the counts, and every finding."""
    return {
        "verdict": _verdict(outcomes),
        "says": verdict_line(outcomes),
        "counts": counts_line(outcomes),
        "outcomes": [
            {
                "subject": outcome.subject,
                "fails": outcome.fails,
                "causes": causes(outcome),
                "notes": outcome.notes,
                "equal": dict(outcome.equal),
                "findings": outcome.findings,
            }
            for outcome in outcomes
        ],
    }


def _verdict(outcomes: Sequence[Outcome]) -> str:
    if any(outcome.fails for outcome in outcomes):
        return "fail"
    return "made" if any(outcome.made for outcome in outcomes) else "pass"
