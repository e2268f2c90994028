"""The clocks: the host's, and the host's after a device has finished its queue."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.measure.devices.protocol import Device

Clock = Callable[[], float]  # seconds, from any origin


def clock_for(device: str) -> Clock:
    """Return the clock for work on a device: where it has a queue, the clock waits for it first."""
    from harness.measure.devices.registry import device_of

    return _clock_of(device_of(device))


def clock_for_devices_in_use() -> Clock:
    """Return the clock for work on whatever device torch works on in this process."""
    if "torch" not in sys.modules:
        return time.perf_counter
    from harness.measure.devices.registry import device_in_use

    return _clock_of(device_in_use())


def _clock_of(device: "Device | None") -> Clock:
    if device is None:
        return time.perf_counter
    wait = device.synchronize

    def after_queue() -> float:
        wait()
        return time.perf_counter()

    return after_queue
