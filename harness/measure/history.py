"""The memory history of one step on a device with a queue, as a file that torch's own viewer opens."""

from pathlib import Path

from harness.measure.devices.registry import backend_of, device_of
from harness.record.store import StoreError
from harness.workload.model import UnsupportedError
from harness.workload.step import Step


def check_history(device: str, path: Path) -> None:
    """Check, before anything is measured, that a memory history can be had and written.

    Raises:
        UnsupportedError: the device's allocator keeps none.
        StoreError: its folder is missing.
    """
    if backend_of(device).memory_history is None:
        raise UnsupportedError(
            f"a memory history is kept by CUDA's allocator, and device {device!r} has none; --trace writes"
            " the memory of a step on the CPU"
        )
    if not path.absolute().parent.is_dir():
        raise StoreError(f"{path} cannot be written: its folder does not exist")


def write_history(step: Step, device: str, path: Path) -> None:
    """Run a step twice on a device with a queue, and write down what the second time allocates and frees."""
    queue, history = device_of(device), backend_of(device).memory_history
    if queue is None or history is None:
        raise TypeError(f"the allocator of {device!r} keeps no history")
    step()
    queue.synchronize()
    with history(path, queue.index):
        step()
        queue.synchronize()
