"""The clocks: the host's, and the host's after a device has finished its queue."""

import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds, from any origin


def clock_for(device: str) -> Clock:
    """Return the clock for work on a device: on CUDA it waits for the queued work first."""
    if device.partition(":")[0] != "cuda":
        return time.perf_counter
    from harness.measure.device import device_of

    found = device_of(device)
    if found is None:
        raise TypeError(f"{device!r} is no CUDA device")
    wait = found.synchronize

    def after_queue() -> float:
        wait()
        return time.perf_counter()

    return after_queue
