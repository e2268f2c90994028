"""Time: what the pairing takes, of the whole step and of its parts, and what a pass on a device adds."""

from harness.record.measured import Metric
from harness.record.names import TIME

BUSY_TIME = "device busy time"
DEVICE_TIME = "device time"
DEVICE_TIME_COLD = "device time, cold cache"
HOST_TIME = "host time"

TIMES: tuple[Metric, ...] = (
    Metric(TIME, "s", "lower", "noisy", "seconds a call of the whole step"),
    *(
        Metric(f"{part} time", "s", "lower", "noisy", f"seconds a call of the {part} part")
        for part in ("forward", "backward", "optimizer")
    ),
    Metric(
        BUSY_TIME,
        "s",
        "lower",
        "noisy",
        "seconds a call during which the device works on what the call launched, from its own records",
    ),
    Metric(
        DEVICE_TIME,
        "s",
        "lower",
        "noisy",
        "seconds of the device a call, between events, its cache as the call before left it",
    ),
    Metric(
        DEVICE_TIME_COLD,
        "s",
        "lower",
        "noisy",
        "seconds of the device a call, between events, its L2 cache overwritten before each call",
    ),
    Metric(HOST_TIME, "s", "lower", "noisy", "seconds of the host until it has issued a call"),
)
