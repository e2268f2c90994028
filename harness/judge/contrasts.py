"""From the records of one run to its contrasts: every arm against its reference, judged as a family."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.judge.interval import log_ratios
from harness.judge.times import times_of
from harness.judge.verdict import ALPHA, FLOOR, LAYOUT_FLOOR, Judgement, judge
from harness.record.schema import ArmResult, Metric, Record, Run, Samples


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm against its reference, in one noisy metric.

    `control` marks the reference against itself once more: it shows what is seen where there is nothing.
    """

    case: str
    arm: str
    metric: str
    value: float  # the arm's time, in the metric's unit: see `harness.judge.times`
    judgement: Judgement
    control: bool

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The ends of an arm's time, for a fixed time of its reference; (None, None) for that one itself."""
        judged = self.judgement
        if self.control or judged.ratio is None or judged.low is None or judged.high is None:
            return None, None
        return self.value * judged.low / judged.ratio, self.value * judged.high / judged.ratio


def contrasts(run: Run) -> dict[str, tuple[Contrast, ...]]:
    """Judge all timings of a run; a family is one metric of the arms of one case.

    Returns:
        The contrasts of each case, by its id.
    """
    metrics = {metric.name: metric for metric in run.metrics}
    return {record.case.id: tuple(_of_record(record, metrics, run.floor)) for record in run.records}


def _of_record(record: Record, metrics: Mapping[str, Metric], floor: float) -> Iterable[Contrast]:
    seconds = times_of(record)
    names = dict.fromkeys(samples.metric for arm in record.arms for samples in arm.timings)
    for name in names:
        timed = [arm for arm in record.arms for samples in arm.timings if samples.metric == name]
        # The control is not a question: it has no part in the family.
        family = [arm for arm in timed if arm.arm != record.reference]
        for arm in sorted(timed, key=lambda arm: arm.arm != record.reference):
            control = arm.arm == record.reference
            size = 1 if control else len(family)
            judgement = judge_arm(arm, name, size, floor=floor, better=metrics[name].better)
            yield Contrast(record.case.id, arm.arm, name, seconds[arm.arm, name], judgement, control)


def judge_arm(arm: ArmResult, metric: str, family: int, *, floor: float, better: str = "lower") -> Judgement:
    """Judge an arm that is read together with others of its record.

    Its level is the one that looks have left it, or else its share of the chance of a false alarm.

    Args:
        arm: whose timings have the metric.
        metric: that was timed.
        family: how many arms are read together, this one included.
        floor: the relative difference that is too small to matter.
        better: which direction is good in this metric, "lower" or "higher".
    """
    level = timing(arm, metric).level or ALPHA / family
    return judge(ratios(arm, metric), better=better, floor=floor, level=level)


def timing(arm: ArmResult, metric: str) -> Samples:
    """Return the samples of an arm in a metric that was timed."""
    return next(samples for samples in arm.timings if samples.metric == metric)


def ratios(arm: ArmResult, metric: str) -> tuple[tuple[float, ...], ...]:
    """Return the log ratios of an arm to its reference, [unit][round]."""
    samples = timing(arm, metric)
    return log_ratios(samples.reference, samples.arm, samples.unit)


def unit_medians(samples: Samples) -> tuple[float, ...]:
    """Return the median log ratio of each unit: of each layout, restart or round."""
    return tuple(map(statistics.median, log_ratios(samples.reference, samples.arm, samples.unit)))


def judge_samples(samples: Samples, *, floor: float | None = None, alpha: float = ALPHA) -> Judgement:
    """Judge one pair that stands alone; the floor is by default that of its unit."""
    if floor is None:
        floor = LAYOUT_FLOOR if samples.unit == "draw" else FLOOR
    values = log_ratios(samples.reference, samples.arm, samples.unit)
    return judge(values, floor=floor, level=samples.level or alpha)
