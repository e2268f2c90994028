"""One run of several workers: what pytest-xdist's processes tell each other, so that they write one file.

The process that starts them names the run, each worker adds to it, and the first makes the file at the end.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.record.schema import Run

_KEY = "harness_run"  # in what is sent to a worker, and in what it sends back


@dataclass(frozen=True, slots=True)
class WorkersRun:
    """The run to which a worker adds.

    Attributes:
        started: when the session did, which the run's id begins with.
        token: ends the id: only workers of this session have it.
        name: of the worker.
    """

    started: str
    token: str
    name: str


def is_worker(config: pytest.Config) -> bool:
    """Return whether a process is one of several that share the tests of one session."""
    return hasattr(config, "workerinput")


def run_of_worker(config: pytest.Config) -> WorkersRun | None:
    """Return the run to which this process adds, where it is one of several."""
    sent: dict[str, Any] = getattr(config, "workerinput", {})
    if _KEY not in sent:
        return None
    started, token = sent[_KEY]
    return WorkersRun(started, token, name=str(sent.get("workerid", "worker")))


def report_of_worker(config: pytest.Config, excused: Collection[tuple[str, str]], *, began: bool) -> None:
    """Tell the first process, at the end of a worker, whether it measured, and what was not to be."""
    config.workeroutput[_KEY] = (began, sorted(excused))  # type: ignore[attr-defined]  # pytest-xdist's


@dataclass(slots=True, eq=False)
class SharedRun:
    """The workers of one session, seen from the process that started them.

    Registered as a plugin where there is pytest-xdist, whose hooks these are.
    """

    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    token: str = field(default_factory=lambda: os.urandom(4).hex())
    began: bool = False
    excused: set[tuple[str, str]] = field(default_factory=set)

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker to which run it adds."""
        node.workerinput[_KEY] = (self.started, self.token)

    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker says at its end; one that died says nothing."""
        began, excused = getattr(node, "workeroutput", {}).get(_KEY, (False, ()))
        self.began = self.began or began
        self.excused |= {(case, arm) for case, arm in excused}

    def finish(self, runs: Path, *, complete: bool) -> "Run | None":
        """Make the run file of what the workers measured; None where they measured nothing.

        Args:
            runs: folder of runs.
            complete: whether the session was not interrupted.

        Raises:
            HarnessError: it cannot be written, or what they measured is not there.
        """
        partial = next(runs.glob(f"*-{self.token}.partial"), None)
        if partial is None and self.began:
            raise HarnessError(f"what the workers measured is no longer in {runs}")
        if partial is None:
            return None
        from harness.record.run_writer import finished

        return finished(partial, self.excused, complete=complete)
