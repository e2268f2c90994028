"""The memory history of one step on a CUDA device, as a file that torch's own viewer opens."""

from pathlib import Path

from harness.measure.device import device_of
from harness.measure.torch_compat import memory_history
from harness.record.store import StoreError
from harness.workload.model import UnsupportedError
from harness.workload.step import Step


def check_history(device: str, path: Path) -> None:
    """Check, before anything is measured, that a memory history can be had and written.

    Raises:
        UnsupportedError: the device is no CUDA device.
        StoreError: its folder is missing.
    """
    if device.partition(":")[0] != "cuda":
        raise UnsupportedError(
            f"a memory history is kept by CUDA's allocator, and device {device!r} has none; --trace writes"
            " the memory of a step on the CPU"
        )
    if not path.absolute().parent.is_dir():
        raise StoreError(f"{path} cannot be written: its folder does not exist")


def write_history(step: Step, device: str, path: Path) -> None:
    """Run a step twice on a CUDA device, and write down every allocation and free of the second time."""
    found = device_of(device)
    if found is None:
        raise TypeError(f"{device!r} is no CUDA device")
    step()
    found.synchronize()
    with memory_history(path, found.index):
        step()
        found.synchronize()
