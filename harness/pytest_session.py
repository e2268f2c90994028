"""What one session of pytest shares while it measures: its options, checked, and the records so far.

Imported when something is to be measured.
"""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.errors import HarnessError
from harness.judge.verdict import LAYOUT_FLOOR
from harness.measure.devices.registry import check_device
from harness.measure.leaving import exits_told
from harness.pytest_options import option_value
from harness.pytest_workers import is_worker, run_of_worker
from harness.record.begin import begun_run
from harness.record.run_writer import RunWriter
from harness.record.schema import ArmResult, Case, Record, Run
from harness.record.store import StoreError
from harness.setting import SESSION_TIME_S, Setting, options_of
from harness.workload.sources import every_target, resolve

if TYPE_CHECKING:
    from harness.measure.runner import Settings
    from harness.measure.shared_time import SharedTime
    from harness.workload.question import Question

_USAGE = 4  # pytest's exit status for bad usage


class Session:
    """What one benchmark session shares: its options, checked, and the records so far."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results = Path(option_value(config, "results"))
        self.rss = bool(option_value(config, "rss"))
        self.targets = tuple(filter(None, str(option_value(config, "models")).split(",")))
        self.writer: RunWriter | None = None
        self.records: dict[str, Record] = {}
        self.of_ranks: dict[str, Run | HarnessError] = {}  # by question
        self.selected: dict[str, list[str]] = {}  # the arms of each case that are to be measured
        self.failures: dict[tuple[str, str], Exception] = {}  # by case and arm
        self.excused: set[tuple[str, str]] = set()  # tests that were skipped before they began
        self.allowance: SharedTime | None = None
        # An arm that raises, or is interrupted, before it is timed says so itself; as an error, where
        # warnings are errors, this one would be a second failure, and hide that it was an interrupt.
        config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used at all")
        with ExitStack() as stack:
            stack.enter_context(exits_told(self._told))  # a factory is called when a target is looked for
            self.setting = self._checked()
            self._open = stack.pop_all()

    def _checked(self) -> Setting:
        """Refuse, before anything is measured, what could not be measured."""
        words = {field: option_value(self.config, option) for field, option, _ in options_of("pytest")}
        try:
            setting = Setting.of_words(words)
            check_device(setting.device)
            for target in every_target() if self.targets == ("all",) else self.targets:
                resolve(target)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
        if len(setting.batch_sizes) > 1:
            raise pytest.UsageError(f"a session has one batch size; give {setting.batch_sizes[0]} alone")
        return setting

    def cells(self, question: "Question") -> Iterator[tuple[Case, str]]:
        """Yield the cases and arms of a question that the options ask for."""
        every = self.targets == ("all",)
        targets = every_target() if every else self.targets or question.models
        for target in targets:
            entry = resolve(target)
            for cell in filter(lambda cell: cell.is_for(self.setting.device), question.cells(entry, every)):
                for arm in question.arms(entry):
                    yield self.setting.case(question.name, cell.entry, cell.mode, variant=cell.variant), arm

    def start(self) -> None:
        """Open the run's files and set torch up; done once, before the first measurement."""
        if self.writer is not None:
            return
        import torch

        from harness.measure.environment import environment
        from harness.measure.garbage import set_old_objects_aside
        from harness.measure.probes import METRICS

        if self.setting.threads:
            torch.set_num_threads(self.setting.threads)
        where, worker = environment(self.setting.device), run_of_worker(self.config)
        if worker is not None:
            where = msgspec.structs.replace(where, started=worker.started)
        run = begun_run(
            where,
            self.setting.device,
            METRICS,
            floor=LAYOUT_FLOOR,
            command=shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
            suffix="" if worker is None else f"-{worker.token}",
        )
        try:
            self.writer = RunWriter(self.results / "runs", run, "" if worker is None else worker.name)
            self.writer.plan((case, arm) for case, arms in self.selected.items() for arm in arms)
        except StoreError as error:
            pytest.exit(str(error), returncode=_USAGE)
        # What is loaded by now stays; frozen, it is not looked at in every collection between timings.
        set_old_objects_aside()

        self.allowance = self._allowance()

    def _allowance(self) -> "SharedTime":
        from harness.measure.shared_time import SharedTime

        exact_only = not benchmarks_run(self.config)
        run_s = self.setting.run_time(SESSION_TIME_S)
        allowance = SharedTime(0.0 if exact_only else self.setting.budget, run_s, time.perf_counter())
        allowance.plan(sum(map(len, self.selected.values())))
        return allowance

    def over_ranks(self, question: "Question", case: Case, arm: str) -> ArmResult:
        """Return what ranks found of an arm; for the first arm they measure all cases of the question."""
        from harness.ranks.launch import arm_of, measured_by_ranks

        allowance = self.allowance
        if allowance is None:
            raise RuntimeError("ranks were asked for before the session started")
        if question.name not in self.of_ranks:
            cells = tuple(self.cells(question))
            seconds = 0.0 if allowance.exact_only else allowance.seconds(len(cells)) / len(cells)
            cases = tuple(dict.fromkeys(case for case, _ in cells))
            self.of_ranks[question.name] = measured_by_ranks(cases, question.ranks, self._settings(seconds))
        allowance.measured()
        return arm_of(self.of_ranks[question.name], case, arm)

    def measure_case(self, question: "Question", case: Case) -> None:
        """Measure all arms of a case that were selected, and keep what comes."""
        from harness.measure.case import CaseMeasurement, Failure

        allowance = self.allowance
        if allowance is None:
            raise RuntimeError("a case was measured before the session started")
        entry = resolve(case.model)
        first, *_ = every = question.arms(entry)
        # In the question's order, whatever the order of the tests: the first is what others are held against.
        arms = [arm for arm in every if arm in self.selected[case.id]]
        measurement = CaseMeasurement(
            question, case, self._settings(0.0), entry, reference="" if first in arms else first
        )
        measured: set[str] = set()
        seconds = None if allowance.exact_only else lambda number, _: allowance.seconds(number)
        for result in measurement.measure(arms, seconds):
            if isinstance(result, Failure):
                self.failures[case.id, result.arm] = result.error
            else:
                self.keep(question, case, result, measurement.reference)
            if result.arm in measured:
                allowance.mark()  # it was timed
            else:
                measured.add(result.arm)
                allowance.measured()

    def keep(self, question: "Question", case: Case, result: ArmResult, reference: str = "") -> None:
        """Write an arm's result down."""
        reference = reference or question.arms(resolve(case.model))[0]
        before = self.records.get(case.id) or Record(
            case=case, asks=question.asks, reference=reference, columns=question.columns
        )
        self.records[case.id] = before.with_arm(result)
        if self.writer is None:
            raise RuntimeError("a result was kept before the session started")
        try:
            self.writer.add(self.records[case.id])
        except StoreError as error:
            pytest.exit(str(error), returncode=_USAGE)

    def close(self) -> None:
        """Put back what was changed of the process."""
        self._open.close()

    def finish(self, *, complete: bool) -> Run | None:
        """Make the run file of what was measured; None where nothing was.

        Raises:
            StoreError: it cannot be written.
        """
        if self.writer is None:
            return None
        self.writer.excuse(self.excused)
        return self.writer.finish(complete=complete)

    def _told(self, line: str) -> None:
        """Say what ends the process at once, and with it whatever pytest has captured."""
        with self.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\nharness: {line}", file=sys.stderr, flush=True)  # noqa: T201 (nothing comes after it)

    def _settings(self, seconds: float) -> "Settings":
        """Return how this session measures."""
        from harness.measure.runner import Settings

        return Settings(budget=seconds, rss=self.rss, threads=self.setting.threads)


def benchmarks_run(config: pytest.Config) -> bool:
    """Return whether pytest-benchmark times what it is given; it does not beside other processes."""
    return not (config.getoption("benchmark_disable", default=False) or is_worker(config))
