"""The CPU: its work is done when a call returns."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.measure.devices.protocol import Backend


@dataclass(frozen=True, slots=True)
class CpuBackend:
    """The one CPU of this process."""

    title: str = "CPU"
    collectives: str = "gloo"
    out_of_memory: tuple[type[BaseException], ...] = (MemoryError,)
    memory_history: None = None

    def count(self) -> int:
        """Return 1: there always is one."""
        return 1

    def is_in_use(self) -> bool:
        """Return False: nothing is left to do when a call has returned."""
        return False

    def device(self, _index: int | None) -> None:
        """Return None: it has no queue."""
        return

    def words(self, _name: str) -> str:
        """Return the number of cores and the processor's name."""
        return f"{os.cpu_count()} cores of {processor()}"

    def free_bytes(self, _name: str) -> int | None:
        """Return what Linux holds available, to this container where it is in one; None on other systems."""
        machine, container = _kibibytes("/proc/meminfo", "MemAvailable"), _free_in_container()
        known = [each for each in (machine, container) if each is not None]
        return min(known) if known else None

    def allow(self, _name: str, more: int) -> Callable[[], None]:
        """Limit what this process may allocate beside what it has; on Linux alone."""
        held = _kibibytes("/proc/self/status", "VmData")
        if held is None:
            return lambda: None
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = held + more
        limit = min(each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
        return lambda: resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    def make_current(self, _name: str) -> None:
        """Do nothing: there is but one."""

    def has_collectives(self) -> bool:
        """Return whether this torch was built with gloo."""
        from torch import distributed

        return bool(distributed.is_available() and distributed.is_gloo_available())


BACKEND: Backend = CpuBackend()


def _kibibytes(path: str, name: str) -> int | None:
    """Return a field in bytes of a file of Linux's that counts KiB; None on other systems."""
    for line in _text(path).splitlines():
        field, _, rest = line.partition(":")
        if field == name:
            return 1024 * int(rest.split()[0])
    return None


def _free_in_container() -> int | None:
    """Return what is left of the memory of a control group; None where it has no limit of its own."""
    most, taken = _text("/sys/fs/cgroup/memory.max"), _text("/sys/fs/cgroup/memory.current")
    if not (most.isdecimal() and taken.isdecimal()):
        return None
    fields = dict(line.split() for line in _text("/sys/fs/cgroup/memory.stat").splitlines())
    return max(
        0, int(most) - int(taken) + int(fields.get("inactive_file", 0))
    )  # which is given up when asked for


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
