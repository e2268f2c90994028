"""The guard on memory: what is measured runs out of it before the machine does.

The only place that says how much a run may take. Beyond that torch raises, as it does where there is no more,
and what raised is told like any batch that does not fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.measure.devices.registry import backend_of
from harness.measure.inspection import OutOfMemoryError, is_out_of_memory
from harness.setting import HOST
from harness.workload.factory import first_line

SHARE = 0.8  # of what is free when a run begins; the rest is left to what else runs here


def room(device: str) -> int | None:
    """Return the bytes that a run may take on a device; None where the system does not tell."""
    free = backend_of(device).free_bytes(device)
    return None if free is None else int(SHARE * free)


@contextmanager
def memory_guarded(device: str) -> Iterator[None]:
    """Let this process take no more than its room, on the host and on a device, while it is open.

    Raises:
        OutOfMemoryError: more was asked for, where nobody took that for an answer.
    """
    undo = []
    for name in dict.fromkeys((HOST, device)):
        most = room(name)
        if most is not None:
            undo.append(backend_of(name).allow(name, most))
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"there is not enough memory: {first_line(error)}") from error
        raise
    finally:
        for each in undo:
            each()


def check_room(needed: int, device: str, what: str) -> None:
    """Check that there is room for what is known to be needed.

    Args:
        needed: bytes.
        device: on which.
        what: begins the sentence, such as "a limit of 100 GiB".

    Raises:
        OutOfMemoryError: there is not.
    """
    most = room(device)
    if most is not None and needed > most:
        raise OutOfMemoryError(
            f"{what} is more than can be run here: {most / 1024**2:,.0f} MiB, {100 * SHARE:.0f} % of the"
            f" memory that is free on {device}"
        )
