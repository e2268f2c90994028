"""What a duel means: its times judged over restarts as one family, its exact values as integers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.judge.comparison import compare_runs
from harness.judge.finding import Finding, FindingState, Outcome, closed, in_order
from harness.judge.interval import log_ratios
from harness.judge.listing import listing
from harness.judge.times import arm_seconds, median_seconds
from harness.judge.verdict import Judgement, Verdict, judge_family
from harness.record.duel import Cause, Duel, DuelArm
from harness.record.schema import Metric

MOST_CAUSES = 3  # named of one difference


@dataclass(frozen=True, slots=True)
class Timed:
    """One arm's time, head against base."""

    case: str
    arm: str
    metric: str
    base: float  # seconds a call, the median of all rounds
    head: float  # of base, times the ratio
    judgement: Judgement


def judge_times(duel: Duel) -> tuple[Timed, ...]:
    """Judge the times of all arms as one family; the unit is the restart."""
    metrics = _metrics(duel)
    timed = [(arm, arm.samples) for arm in duel.arms if arm.samples is not None and arm.samples.arm]
    values = [log_ratios(samples.reference, samples.arm, samples.unit) for _, samples in timed]
    better = {metrics[samples.metric].better for _, samples in timed}
    judged: dict[int, Judgement] = {}
    for side in better:  # of one kind unless a metric other than time is ever paired
        indices = [
            index for index, (_, samples) in enumerate(timed) if metrics[samples.metric].better == side
        ]
        judgements = judge_family([values[index] for index in indices], better=side, floor=duel.floor)
        judged |= dict(zip(indices, judgements, strict=True))
    return tuple(
        Timed(
            case=arm.case,
            arm=arm.arm,
            metric=samples.metric,
            base=median_seconds(samples.reference),
            head=arm_seconds(samples),
            judgement=judged[index],
        )
        for index, (arm, samples) in enumerate(timed)
    )


def _metrics(duel: Duel) -> Mapping[str, Metric]:
    return {metric.name: metric for side in (duel.base, duel.head) for metric in side.run.metrics}


def judge_duel(duel: Duel, times: Iterable[Timed]) -> Outcome:
    """Return what is to be said of a duel, one finding a row; what is the same or equal is left out."""
    metrics = _metrics(duel)
    exact = compare_runs(listing(duel.base.run, "base"), listing(duel.head.run, "head"), pairs_follow=True)
    causes = {(arm.case, arm.arm): arm.causes for arm in duel.arms}
    findings = [_explained(finding, causes) for finding in exact.findings]
    times = tuple(times)
    findings += [_timed(timed, metrics[timed.metric]) for timed in times if not _is_same(timed)]
    outcome = replace(
        exact,
        door="duel",
        subject=f"head {duel.head.given} against base {duel.base.given}",
        findings=in_order(findings),
        notes=(*exact.notes, *duel.notes, *duel.lost, *_unmeasured(duel.arms)),
        command=duel.command,
        same=sum(map(_is_same, times)),
    )
    return closed(outcome)


def _is_same(timed: Timed) -> bool:
    return timed.judgement.verdict is Verdict.SAME


def _explained(finding: Finding, causes: Mapping[tuple[str, str], tuple[Cause, ...]]) -> Finding:
    rows = [cause for cause in causes.get((finding.case, finding.arm), ()) if cause.metric == finding.metric]
    if not rows or not finding.exists_twice:
        return finding
    named = [_named(cause) for cause in rows[:MOST_CAUSES]]
    more = [f"{len(rows) - MOST_CAUSES:,} more"] if len(rows) > MOST_CAUSES else []
    said = "; ".join([*named, *more])
    return replace(finding, detail=f"{finding.detail}; {said}" if finding.detail else said)


def _named(cause: Cause) -> str:
    """Return a cause in words.

    >>> _named(Cause(metric="saved", unit="B", module="0", kind="Linear", operator="addmm", base=0, head=64))
    '0 (Linear) addmm +64 B'
    """
    module = cause.module or "the model itself"
    kind = f" ({cause.kind})" if cause.kind else ""
    unit = "" if cause.unit == "1" else f" {cause.unit}"
    return f"{module}{kind} {cause.operator} {cause.head - cause.base:+,}{unit}"


_STATES = {
    Verdict.WORSE: FindingState.WORSE,
    Verdict.BETTER: FindingState.BETTER,
    Verdict.UNDECIDED: FindingState.UNDECIDED,
    Verdict.INVALID: FindingState.INCOMPARABLE,
}


def _timed(timed: Timed, metric: Metric) -> Finding:
    judgement = timed.judgement
    return Finding(
        state=_STATES[judgement.verdict],
        fails=judgement.verdict is Verdict.WORSE,
        case=timed.case,
        arm=timed.arm,
        metric=timed.metric,
        unit=metric.unit,
        base=timed.base,
        head=timed.head,
        meaning=metric.meaning,
        detail="; ".join(_rests_on(judgement)),
    )


def _rests_on(judgement: Judgement) -> Iterator[str]:
    if judgement.ratio is not None:
        interval = (
            ""
            if judgement.low is None or judgement.high is None
            else f" [{judgement.low:.3f}, {judgement.high:.3f}]"
        )
        yield f"ratio {judgement.ratio:.3f}{interval} over {judgement.units} restarts"
    if judgement.reason:
        needed = f" ({judgement.units_to_decide} restarts would decide)" if judgement.units_to_decide else ""
        yield judgement.reason + needed


def _unmeasured(arms: Iterable[DuelArm]) -> Iterator[str]:
    if all(arm.samples is None for arm in arms):
        yield "nothing was timed: exact metrics alone"
