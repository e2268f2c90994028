"""How the process of a restart comes to be: started afresh, or copied from a warm one."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.duel.process import LostError, Worker, start_worker
from harness.duel.sides import SideSource

_WORDS = 3  # a killed copy may have said one thing before
_BURIED_S = 10


class Starter(Protocol):
    """Starts and ends the workers of one side."""

    @property
    def side(self) -> SideSource:
        """Whose workers they are."""

    def start(self, seed: int) -> Worker:
        """Begin to start a worker with the memory layout of a seed; the caller waits for its hello."""

    def finish(self, worker: Worker) -> None:
        """Wait for the end of a worker that was told bye."""

    def end(self, worker: Worker) -> None:
        """End a worker, whatever it is doing."""

    def close(self) -> None:
        """End what outlives a restart."""


@dataclass(slots=True)
class Spawning:
    """Every restart imports torch anew: everything that a start decides is decided again."""

    side: SideSource
    folder: Path
    threads: int

    def start(self, seed: int) -> Worker:
        """Start a process."""
        return start_worker(self.side, self.folder, method="spawn", threads=self.threads, seed=seed)

    def finish(self, worker: Worker) -> None:
        """Wait for its process."""
        worker.finish()

    def end(self, worker: Worker) -> None:
        """Kill it."""
        worker.close()

    def close(self) -> None:
        """Nothing outlives a restart."""


@dataclass(slots=True)
class Forking:
    """Every restart is a fork of one process that has imported torch; libraries lie where they lay before."""

    side: SideSource
    folder: Path
    threads: int
    _template: Worker | None = None

    def start(self, seed: int) -> Worker:
        """Have the template fork; its memory layout is that of the first seed."""
        if self._template is None:
            self._template = start_worker(
                self.side, self.folder, method="fork", threads=self.threads, seed=seed
            )
            self._template.meet()
        self._template.send("fork")
        return self._template

    def finish(self, worker: Worker) -> None:
        """Wait until the template has buried its copy."""
        _buried(worker)

    def end(self, worker: Worker) -> None:
        """Kill the copy, if it is still there; the template stays unless it is what is gone."""
        if worker.pid != worker.process.pid:
            worker.kill()
        if not _buried(worker):
            worker.close()
            self._template = None

    def close(self) -> None:
        """End the template."""
        if self._template is not None:
            self._template.close()


def _buried(worker: Worker) -> bool:
    """Read on until the template says that its copy ended; False where the template itself is gone."""
    for _ in range(_WORDS):
        if worker.pid == worker.process.pid or worker.is_gone:
            break
        with suppress(LostError):
            worker.answer(_BURIED_S)
    return worker.pid == worker.process.pid and not worker.is_gone
