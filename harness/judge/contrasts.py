"""From the records of one run to its contrasts: every arm against its reference, judged as a family."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.judge.interval import log_ratios
from harness.judge.times import median_seconds
from harness.judge.verdict import ALPHA, FLOOR, LAYOUT_FLOOR, Judgement, judge, judge_family
from harness.record.schema import ArmResult, Metric, Record, Run, Samples


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm against its reference, in one noisy metric.

    `control` marks the reference against an independent copy of itself: what is not there is seen.
    """

    case: str
    arm: str
    metric: str
    value: float  # the arm's median, in the metric's unit
    judgement: Judgement
    control: bool


def contrasts(run: Run) -> dict[str, tuple[Contrast, ...]]:
    """Judge all timings of a run; Holm's family is one metric of the arms of one case.

    Returns:
        The contrasts of each case, by its id.
    """
    metrics = {metric.name: metric for metric in run.metrics}
    return {record.case.id: tuple(_of_record(record, metrics, run.floor)) for record in run.records}


def _of_record(record: Record, metrics: Mapping[str, Metric], floor: float) -> Iterable[Contrast]:
    names = dict.fromkeys(samples.metric for arm in record.arms for samples in arm.timings)
    for name in names:
        arms = [arm for arm in record.arms if any(samples.metric == name for samples in arm.timings)]
        # The control is not a question: it has no part in the family.
        for family in (
            [arm for arm in arms if arm.arm == record.reference],
            [arm for arm in arms if arm.arm != record.reference],
        ):
            values = [ratios(arm, name) for arm in family]
            judged = judge_family(values, better=metrics[name].better, floor=floor)
            for arm, judgement in zip(family, judged, strict=True):
                yield Contrast(
                    record.case.id, arm.arm, name, median(arm, name), judgement, arm.arm == record.reference
                )


def ratios(arm: ArmResult, metric: str) -> tuple[float, ...]:
    """Return the log-ratios of an arm to its reference, one a unit."""
    samples = next(samples for samples in arm.timings if samples.metric == metric)
    return log_ratios(samples.reference, samples.arm, samples.unit)


def median(arm: ArmResult, metric: str) -> float:
    """Return an arm's median sample; NaN where the metric was not timed."""
    for samples in arm.timings:
        if samples.metric == metric:
            return median_seconds(samples.arm)
    return math.nan


def judge_samples(samples: Samples, *, floor: float | None = None, alpha: float = ALPHA) -> Judgement:
    """Judge one pair that stands alone; the floor is by default that of its unit."""
    if floor is None:
        floor = LAYOUT_FLOOR if samples.unit == "draw" else FLOOR
    return judge(log_ratios(samples.reference, samples.arm, samples.unit), floor=floor, alpha=alpha)
