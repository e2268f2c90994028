"""How many processors this process may use, as the system and a container have it."""

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path


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
