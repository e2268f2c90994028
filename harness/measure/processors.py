"""On how many threads torch works: what the system lets this process use, and who has how many when."""

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

_MANY_PARAMETERS = 10_000_000  # a training step of fewer takes a second at most, mostly


def processors() -> int:
    """Return how many processors the system lets this process run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota() -> float | None:
    """Return the processors that a container may use; None where there is no such limit."""
    words = system_text("/sys/fs/cgroup/cpu.max").split()
    return float(words[0]) / float(words[1]) if len(words) == 2 and words[0] != "max" else None  # noqa: PLR2004


def system_text(path: str) -> str:
    """Return what Linux writes in a file of its own; "" where there is none, and on other systems."""
    if sys.platform != "linux":
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def usable_threads(environment: Mapping[str, str] = os.environ) -> int:
    """Return on how many threads there is something to gain: no more than a container or a person allows.

    Args:
        environment: OMP_NUM_THREADS there is the most; where it is a list, its first number.
    """
    most = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    allowed = quota()
    limits = [processors(), *([int(most)] if most.isdecimal() else [])]
    return max(1, min([*limits, *([] if allowed is None else [math.floor(allowed)])]))


def threads_of_exact(module: nn.Module, device: str) -> int:
    """Return on how many threads the exact passes of a model run where nobody said.

    A small model stays on the threads that there are: it has nothing to gain, and what it is held against is
    then the same on every machine. So it is on a device, whose bytes do not depend on threads, and where
    torch was built so that it cannot go back to fewer threads.
    """
    now = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in module.parameters())
    if device != "cpu" or size < _MANY_PARAMETERS or not _may_change_threads():
        return now
    return max(now, usable_threads())


def _may_change_threads() -> bool:
    """Return whether this torch takes another number of threads once it has worked on some."""
    return "ATen parallel backend: OpenMP" in torch.__config__.parallel_info()


@contextmanager
def working_on(threads: int) -> Iterator[None]:
    """Let torch work on so many threads, and on as many as before afterwards."""
    before = torch.get_num_threads()
    if threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
