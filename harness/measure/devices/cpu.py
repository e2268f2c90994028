"""The CPU: its work is done when a call returns."""

import os
import platform
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
        """Return what Linux holds available; None on other systems."""
        try:
            lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
        return 1024 * int(fields["MemAvailable"][0]) if "MemAvailable" in fields else None

    def make_current(self, _name: str) -> None:
        """Do nothing: there is but one."""

    def has_collectives(self) -> bool:
        """Return whether this torch was built with gloo."""
        from torch import distributed

        return bool(distributed.is_available() and distributed.is_gloo_available())


BACKEND: Backend = CpuBackend()


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
