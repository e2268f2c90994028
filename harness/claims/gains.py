"""What remedies gain against what they cost, from their results: one plot of all."""

from collections.abc import Sequence

from harness.claims.record import ClaimResult, Number, Panel, Plot, Series
from harness.claims.seeds import Estimate

GAIN = "test error / doing nothing"
STEP_TIME = "time of a step / doing nothing"


def gain_plot(name: str, rows: Sequence[tuple[str, Estimate]], label: str = GAIN) -> Plot:
    """Return the plot of ratios of test errors, a row for each remedy and data set."""
    series = Series(
        name=label,
        x=tuple(change.value for _, change in rows),
        y=tuple(float(row) for row in range(len(rows))),
        low=tuple(change.low for _, change in rows),
        high=tuple(change.high for _, change in rows),
        mark="points",
    )
    panel = Panel(
        title="",
        x_label=label,
        y_label="",
        series=(series,),
        ticks=tuple(row for row, _ in rows),
        line=1.0,
    )
    caption = "Left of 1 the error is lower; bars are 99 % intervals of the median over seeds."
    return Plot(name=name, caption=caption, panels=(panel,))


def overview(results: Sequence[ClaimResult]) -> tuple[Plot, ...]:
    """Return the plot of gain against cost, where at least two remedies were measured."""
    points = [
        (label, gain, time)
        for result in results
        for label, gain, time in _pairs(result)
        if gain.value is not None and time.value is not None
    ]
    if len(points) < 2:  # noqa: PLR2004 (one point compares nothing)
        return ()
    series = Series(
        name="remedies",
        x=tuple(time.value or 0.0 for _, _, time in points),
        y=tuple(100 * (1 - (gain.value or 1.0)) for _, gain, _ in points),
        low=tuple(100 * (1 - (gain.high or 1.0)) for _, gain, _ in points),
        high=tuple(100 * (1 - (gain.low or 1.0)) for _, gain, _ in points),
        labels=tuple(label for label, _, _ in points),
        mark="points",
    )
    panel = Panel(
        title="what a remedy gains, and what it costs",
        x_label="time of a step / doing nothing",
        y_label="test error saved (%)",
        x_scale="log",
        series=(series,),
        line=1.0,
        level=0.0,
    )
    caption = (
        "On Friedman's problem: up is better, left is cheaper; "
        "bars are 99 % intervals of the median over seeds."
    )
    return (Plot(name="O", caption=caption, panels=(panel,)),)


_LABELS = {
    "O2": "augmentation",
    "O3": "dropout",
    "O5": "ensemble of 5",
    "O6": "DropConnect",
    "O7": "4 x data",
    "O8": "smaller model",
}


_PREFIXES = {
    "O1": {"early stopping": "held-out examples beside the 40: "},
    "O4": {"L1": "L1: ", "L2": "L2: "},
}


def _pairs(result: ClaimResult) -> list[tuple[str, Number, Number]]:
    by_name = {one.name: one for one in result.numbers}
    prefixes = _PREFIXES.get(result.id) or {_LABELS.get(result.id, result.id): ""}
    return [
        (label, by_name[prefix + GAIN], by_name[prefix + STEP_TIME])
        for label, prefix in prefixes.items()
        if prefix + GAIN in by_name and prefix + STEP_TIME in by_name
    ]
