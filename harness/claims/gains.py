"""What remedies gain against what they cost, from their results: one plot of all."""

from collections.abc import Sequence

from harness.claims.record import ClaimResult, Number, Panel, Plot, Series

GAIN = "test error / doing nothing"
STEP_TIME = "time of a step / doing nothing"


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
    caption = "Up is better, left is cheaper; bars are 99 % intervals of the median over seeds."
    return (Plot(name="O", caption=caption, panels=(panel,)),)


_LABELS = {
    "O1": "early stopping",
    "O2": "augmentation",
    "O3": "dropout",
    "O5": "ensemble of 5",
    "O6": "DropConnect",
    "O7": "4 x data",
    "O8": "smaller model",
}


def _pairs(result: ClaimResult) -> list[tuple[str, Number, Number]]:
    by_name = {one.name: one for one in result.numbers}
    prefixes = {"L1": "L1: ", "L2": "L2: "} if result.id == "O4" else {_LABELS.get(result.id, result.id): ""}
    return [
        (label, by_name[prefix + GAIN], by_name[prefix + STEP_TIME])
        for label, prefix in prefixes.items()
        if prefix + GAIN in by_name and prefix + STEP_TIME in by_name
    ]
