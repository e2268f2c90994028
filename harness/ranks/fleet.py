"""Independent cases on many machines: a submitit job each, which runs `harness measure`; their runs together.

Every time is of one machine, and compared with nothing but its reference on the same machine.
"""

import itertools
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError
from harness.record.merge import merged
from harness.record.schema import Run
from harness.record.store import load_run

Cluster = Literal["local", "slurm"]


class FleetError(HarnessError, RuntimeError):
    """Jobs that cannot be given to a cluster, in one sentence."""


@dataclass(frozen=True, slots=True)
class Task:
    """One question put to one model, on whichever machine takes it."""

    target: str
    question: str
    options: tuple[str, ...]  # of `harness measure`, as they are written there
    path: str  # of its run file

    @property
    def name(self) -> str:
        """The task in a line."""
        return f"{self.target}, {self.question}"

    def command(self, python: str) -> list[str]:
        """Return the command that measures it.

        >>> Task("linear", "grad_mode", ("--budget", "0"), "a.json").command("python")[3:]
        ['measure', 'linear', '--question', 'grad_mode', '--json', 'a.json', '--budget', '0']
        """
        words = ["measure", self.target, "--question", self.question, "--json", self.path]
        return [python, "-m", "harness", *words, *self.options]


@dataclass(frozen=True, slots=True)
class Fleet:
    """What came of all tasks.

    Attributes:
        runs: a run for each machine and torch, of all that was measured there.
        problems: what was not measured, and why.
    """

    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def tasks(
    targets: Sequence[str], questions: Sequence[str], options: Sequence[str], folder: Path
) -> tuple[Task, ...]:
    """Return a task for every question and target; their run files lie in `folder`/runs."""
    runs = folder.absolute() / "runs"
    return tuple(
        Task(target, question, tuple(options), str(runs / f"{number:04}.json"))
        for number, (target, question) in enumerate(itertools.product(targets, questions), 1)
    )


def run_task(task: Task) -> tuple[int, str]:
    """Measure a task in a process of its own; return its exit status and the last line that it said."""
    done = subprocess.run(  # noqa: S603 (this interpreter)
        task.command(sys.executable), capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    said = lines or done.stderr.strip().splitlines()[-1:]
    return done.returncode, said[-1].removeprefix("harness: ") if said else ""


def send(
    waiting: Sequence[Task],
    cluster: Cluster,
    folder: Path,
    settings: Mapping[str, Any],
    tell: Callable[[str], None] = lambda _line: None,
) -> Fleet:
    """Give tasks to a cluster, wait for all of them, and put their runs together.

    On this machine (`local`) they run one after the other, for two at a time would disturb each other; a
    node of Slurm is asked for whole, for the same reason.

    Args:
        waiting: the tasks.
        cluster: "local" or "slurm".
        folder: of the cluster's logs; shared by all machines, as is that of the run files.
        settings: of submitit's executor, such as `timeout_min` or `slurm_partition`.
        tell: takes a line of progress.

    Raises:
        FleetError: submitit is not installed, or does not take the settings.
    """
    executor = _executor(cluster, folder, settings)
    problems = []
    Path(waiting[0].path).parent.mkdir(parents=True, exist_ok=True)
    groups = [[task] for task in waiting] if cluster == "local" else [list(waiting)]
    for group in groups:
        jobs = [(task, executor.submit(run_task, task)) for task in group]
        try:
            for task, job in jobs:
                problem = _problem(task, job)
                tell(problem or f"{task.name}: measured (job {job.job_id})")
                problems += [problem] if problem else []
        except BaseException:
            for _, job in jobs:
                job.cancel()
            raise
    runs = [load_run(Path(task.path)) for task in waiting if Path(task.path).exists()]
    return Fleet(merged(runs, by_machine=True), tuple(problems))


def _executor(cluster: Cluster, folder: Path, settings: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise FleetError("a fleet needs submitit: pip install submitit") from error
    whole = {"slurm_exclusive": True} if cluster == "slurm" else {}
    try:
        executor = submitit.AutoExecutor(folder=folder / "logs", cluster=cluster)
        executor.update_parameters(**{**whole, **settings})
    except (RuntimeError, TypeError, ValueError, NameError) as error:  # what submitit refuses with
        raise FleetError(f"submitit refuses: {str(error).splitlines()[0]}") from error
    return executor


def _problem(task: Task, job: Any) -> str:
    """Wait for a job; return why it measured nothing, or "" where it did."""
    error = job.exception()
    if error is not None:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return f"{task.name}: job {job.job_id} failed: {reason[-1]}"
    status, said = job.result()
    return (
        f"{task.name}: {said or shlex.join(task.command('python'))} (exit status {status})" if status else ""
    )


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings that are written NAME=VALUE; whole numbers are numbers.

    Raises:
        FleetError: one is written otherwise.

    >>> settings_of(["slurm_partition=gpu", "timeout_min=20"])
    {'slurm_partition': 'gpu', 'timeout_min': 20}
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise FleetError(f"{text!r} is not a setting; write NAME=VALUE, such as slurm_partition=gpu")
        settings[name] = int(value) if value.isdecimal() else value
    return settings
