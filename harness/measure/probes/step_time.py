"""Time: what the pairing takes, of the whole step and of its parts."""

from harness.record.names import TIME
from harness.record.schema import Metric

TIMES: tuple[Metric, ...] = (
    Metric(TIME, "s", "lower", "noisy", "seconds a call of the whole step"),
    *(
        Metric(f"{part} time", "s", "lower", "noisy", f"seconds a call of the {part} part")
        for part in ("forward", "backward", "optimizer")
    ),
)
