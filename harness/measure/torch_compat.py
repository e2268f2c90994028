"""Every difference between torch versions and builds; nothing else asks for the version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from harness.measure.device import device_count
from harness.workload.model import UnsupportedError, WorkloadError


def build_flavour() -> str:
    """Return what torch was built for: "cpu", "cu126", "rocm6.2"."""
    if torch.version.cuda:
        return "cu" + torch.version.cuda.replace(".", "")
    hip = getattr(torch.version, "hip", None)  # absent before torch 1.8's ROCm builds and on some forks
    return f"rocm{hip}" if hip else "cpu"


def release() -> str:
    """Return the version without its build, as in "2.13.0"."""
    return torch.__version__.partition("+")[0]


def cpu_capability() -> str:
    """Return the instruction set that torch's kernels take: "AVX2", "AVX512", "DEFAULT"."""
    if hasattr(torch.backends, "cpu"):
        return str(torch.backends.cpu.get_cpu_capability())
    # torch < 2.1 says it only in this text; drop with that tox factor.
    said = torch.__config__.show().partition("CPU capability usage: ")[2].split()
    return said[0] if said else "DEFAULT"


def check_device(device: str) -> None:
    """Check that a device can be used here.

    Raises:
        WorkloadError: it cannot; the sentence names what would have worked.
    """
    kind = device.partition(":")[0]
    if device != "cpu" and kind != "cuda":
        raise WorkloadError(f"no device {device!r}; there are cpu and cuda")
    if kind != "cuda":
        return
    there_are = device_count()
    if not there_are:
        raise WorkloadError(f"device {device!r} was asked for, but this torch sees no CUDA device; cpu works")
    _, given, index = device.partition(":")
    if given and not (index.isdecimal() and int(index) < there_are):
        raise WorkloadError(f"no device {device!r}; there are {there_are} CUDA devices, from 0")


@contextmanager
def memory_history(path: Path, device: int) -> Iterator[None]:
    """Record every allocation and free on a CUDA device, with its stack, and write them to a file at the end.

    The two functions begin with an underscore, and are the documented door ("Understanding CUDA Memory
    Usage"); the file opens at the viewer named there.

    Raises:
        UnsupportedError: this torch has no such door.
    """
    record = getattr(torch.cuda.memory, "_record_memory_history", None)
    dump = getattr(torch.cuda.memory, "_dump_snapshot", None)
    # torch 2.0 takes other arguments; drop the check with that tox factor.
    if record is None or dump is None or release().startswith("2.0."):
        raise UnsupportedError(f"torch {release()} cannot write its memory history; torch 2.1 and later can")
    record(max_entries=_MOST_ENTRIES, device=device)
    try:
        yield
        dump(str(path))
    finally:
        record(enabled=None, device=device)


_MOST_ENTRIES = 1_000_000  # some 100 MB on disk; torch's own default has no limit


def operator_recorder() -> Any:
    """Return torch's recorder of operators with their tensors' sizes, which it writes to a file."""
    from torch import profiler

    if hasattr(profiler, "ExecutionTraceObserver"):
        return profiler.ExecutionTraceObserver()
    return profiler.ExecutionGraphObserver()  # type: ignore[attr-defined]  # its name in torch < 2.1; drop with that tox factor
