"""From files to outcomes: what the doors `compare`, `gate`, `report` and `trend` share. It prints nothing."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.judge.comparison import compare_runs
from harness.judge.finding import Outcome, in_order
from harness.judge.gate import gate, inspect, keys_of, unmet
from harness.judge.limits import Limits, check_limits, read_limits
from harness.judge.listing import listing
from harness.judge.renewal import replacements
from harness.judge.trend import Trend, trend
from harness.record.baseline import Baseline, read_baselines, rows_as_text, write_baseline
from harness.record.merge import merged
from harness.record.pyproject import load_pyproject
from harness.record.pytest_benchmark import load_either
from harness.record.schema import Metric, Run
from harness.record.store import load_run
from harness.report.tables import environment_lines


class NoRunError(HarnessError, ValueError):
    """Nothing to work on, in one sentence."""


@dataclass(frozen=True, slots=True)
class Gated:
    """What a gate over some runs gave.

    Attributes:
        runs: the runs, those of one environment made one.
        outcomes: one a run.
        changes: the rows that would make each baseline fit, by its name, with "-" before what goes and "+"
            before what comes; a baseline that an update made has none.
        written: the files that an update wrote.
    """

    runs: tuple[Run, ...]
    outcomes: tuple[Outcome, ...]
    changes: dict[str, list[str]]
    written: tuple[Path, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether anything failed."""
        return any(outcome.fails for outcome in self.outcomes)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Look for no cycles: what is read holds none, and looking takes a third of the time of large files."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@_without_collector()
def compare_files(base: Path, head: Path) -> Outcome:
    """Compare two files, each a run or pytest-benchmark's JSON.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    return compare_runs(*(listing(load_either(path), str(path)) for path in (base, head)))


def run_paths(paths: Sequence[Path]) -> list[Path]:
    """Return run files, those of folders included, each once.

    Raises:
        NoRunError: there is none.
    """
    files = [
        item
        for path in paths
        for item in (_finished(path) if path.is_dir() and path.suffix != ".partial" else [path])
    ]
    if not files:
        left = [str(each) for path in paths for each in sorted(path.glob("**/*.partial"))]
        more = f"; what was interrupted is in {left[-1]}, which can be given itself" if left else ""
        raise NoRunError(f"{', '.join(map(str, paths))} holds no run file{more}")
    return list(dict.fromkeys(files))


def _finished(folder: Path) -> list[Path]:
    """Return the run files in a folder, without the parts of sessions that go on or were killed."""
    return [
        path
        for path in sorted(folder.glob("**/*.json"))
        if not any(parent.suffix == ".partial" for parent in path.parents)
    ]


@_without_collector()
def gate_files(
    paths: Sequence[Path],
    folder: Path,
    configuration: Path,
    *,
    update: bool = False,
    prune: bool = False,
    every_baseline: bool = False,
) -> Gated:
    """Hold runs against the baselines of a folder, and on request write what would have made them pass.

    Args:
        paths: run files, or folders of them.
        folder: of baselines; an update makes it where it is missing.
        configuration: a pyproject.toml.
        update: write the baselines that the runs make.
        prune: then drop rows of what the runs do not hold.
        every_baseline: also fail where a baseline was met by no run.

    Raises:
        HarnessError: something cannot be read or written, or a limit is of nothing.
    """
    runs = merged(load_run(path) for path in run_paths(paths))
    limits = read_limits(load_pyproject(configuration))
    baselines = {} if update and not folder.exists() else read_baselines(folder)
    _check(limits, runs, baselines)
    written = []
    changes: dict[str, list[str]] = {}
    updated = dict(baselines)
    for replacement in replacements(runs, baselines, prune=prune or not update):
        updated[replacement.key.name] = replacement
    for name, replacement in updated.items():
        changed = _changed_rows(baselines.get(name), replacement)
        if changed:
            changes[name] = changed if name in baselines or not update else []
        if update and replacement is not baselines.get(name):
            written.append(write_baseline(folder, replacement))
    before = baselines
    if update:
        baselines = updated
    outcomes = [
        replace(
            gate(run, baselines, limits),
            environment=environment_lines(run.environment),
            made=_made(run, before, changes) if update else "",
        )
        for run in runs
    ]
    if every_baseline:
        first = outcomes[0]
        outcomes[0] = replace(first, findings=in_order([*first.findings, *unmet(runs, baselines)]))
    return Gated(runs, tuple(outcomes), changes, tuple(written))


def _made(run: Run, before: Mapping[str, Baseline], changes: Mapping[str, list[str]]) -> str:
    """Return what an update did to the baselines of a run: what it is held against then is itself."""
    names = [key.name for key in keys_of(run)]
    if any(name not in before for name in names):
        return "made"
    return "updated" if any(name in changes for name in names) else ""


def _check(limits: Limits, runs: Sequence[Run], baselines: dict[str, Baseline]) -> None:
    arms = [(record.case.id, arm.arm) for run in runs for record in run.records for arm in record.arms]
    arms += [key for baseline in baselines.values() for key in baseline.values]
    metrics: dict[str, Metric] = {metric.name: metric for run in runs for metric in run.metrics}
    check_limits(limits, arms, metrics)


def _changed_rows(before: Baseline | None, after: Baseline) -> list[str]:
    old = dict.fromkeys(rows_as_text(before.values) if before else ())
    new = dict.fromkeys(rows_as_text(after.values))
    rows = [(row, "-") for row in old if row not in new] + [(row, "+") for row in new if row not in old]
    return [
        f"{sign} {row}"
        for row, sign in sorted(rows, key=lambda item: (item[0].rpartition(",")[0], item[1] == "+"))
    ]


@_without_collector()
def report_files(
    paths: Sequence[Path], folder: Path | None, configuration: Path
) -> tuple[tuple[Run, ...], tuple[Outcome, ...]]:
    """Return runs and what is to be said of them, held against baselines where a folder is given.

    Raises:
        HarnessError: something cannot be read, or a limit is of nothing.
    """
    if folder is not None:
        gated = gate_files(paths, folder, configuration)
        return gated.runs, gated.outcomes
    runs = merged((load_run(path) for path in run_paths(paths)), by_machine=True)
    limits = read_limits(load_pyproject(configuration))
    _check(limits, runs, {})
    return runs, tuple(
        replace(inspect(run, limits), environment=environment_lines(run.environment)) for run in runs
    )


@_without_collector()
def trend_files(paths: Sequence[Path]) -> Trend:
    """Return the history that runs make.

    Raises:
        HarnessError: something cannot be read.
    """
    return trend([load_run(path) for path in run_paths(paths)])
