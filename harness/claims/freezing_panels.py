"""The picture of what freezing saves, a panel a model."""

from collections.abc import Sequence

from harness.claims.record import Panel, Series
from harness.judge.verdict import Judgement
from harness.record.schema import Record

_NAMES = {"biases only": "only biases trained"}


def position_name(arm: str) -> str:
    """Return what a position is called in a claim, where the arm's own name says too little."""
    return _NAMES.get(arm, arm)


def savings_panels(name: str, record: Record, judgements: Sequence[Judgement]) -> list[Panel]:
    """Return the panel of one model: time and bytes of every position, as shares of all trainable."""
    reference, *arms = record.arms
    rows = tuple(range(len(arms)))
    ticks = tuple(position_name(arm.arm) for arm in arms)

    def share(metric: str) -> tuple[float, ...]:
        return tuple(arm.counts[metric] / max(1, reference.counts[metric]) for arm in arms)

    times = tuple(judgement.ratio or 1.0 for judgement in judgements)
    time = Series(
        name="time",
        x=times,
        y=rows,
        low=tuple(j.low or t for j, t in zip(judgements, times, strict=True)),
        high=tuple(j.high or t for j, t in zip(judgements, times, strict=True)),
        mark="bars",
    )
    series = (
        time,
        Series(name="peak bytes", x=share("peak"), y=rows, mark="bars"),
        Series(name="saved bytes", x=share("saved"), y=rows, mark="bars"),
    )
    return [
        Panel(title=name, x_label="share of all trainable", y_label="", series=series, ticks=ticks, line=1.0)
    ]
