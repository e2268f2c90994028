"""The door through pytest: options, the `harness_measure` fixture, records and tables of a benchmark session.

torch is imported when a benchmark is collected, so that the plugin costs other sessions nothing.
"""

import itertools
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.judge.verdict import LAYOUT_FLOOR
from harness.record.begin import begun_run
from harness.record.schema import ArmResult, Case, Record, Run, Status
from harness.record.store import RunWriter, StoreError, replace_file
from harness.setting import Setting, options_of

if TYPE_CHECKING:
    from harness.measure.pairing import Pair
    from harness.measure.runner import Settings
    from harness.workload.question import Question

_Reader = Callable[[str], Any]
_OPTIONS: dict[str, tuple[_Reader, Any, str]] = {
    # name: (what reads its text, default, what it is); those of a setting are read by the setting
    "models": (str, "", "comma-separated targets, or `all`; by default each question's own choice"),
    **{option: (str, None, shown["meaning"]) for _, option, shown in options_of("pytest")},
    "results": (str, "results", "folder for runs/ and tables/"),
    "rss": (bool, False, "also witness resident memory, in a fresh process for the first arm of each case"),
}
_USAGE = 4  # pytest's exit status for bad usage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the group `harness`; every option has an ini key."""
    group = parser.getgroup("harness", "autograd-harness")
    for name, (kind, default, meaning) in _OPTIONS.items():
        shown = f"{meaning} (default: {default})" if default not in (None, "", False) else meaning
        key = f"harness_{name.replace('-', '_')}"
        if kind is bool:
            group.addoption(f"--harness-{name}", dest=key, action="store_true", default=None, help=shown)
            parser.addini(key, shown, type="bool", default=default)
        else:
            group.addoption(f"--harness-{name}", dest=key, type=kind, default=None, metavar="X", help=shown)
            parser.addini(key, shown, default=None if default is None else str(default))


def _option(config: pytest.Config, name: str) -> Any:
    key = f"harness_{name.replace('-', '_')}"
    given = config.getoption(key)
    if given is not None:
        return given
    _, default, _ = _OPTIONS[name]
    return config.getini(key) or default


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "harness_question(name): a benchmark that asks this question of every model"
    )


class Session:
    """What one benchmark session shares: its options, checked, and the records so far."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results = Path(_option(config, "results"))
        self.rss = bool(_option(config, "rss"))
        self.targets = tuple(filter(None, str(_option(config, "models")).split(",")))
        self.writer: RunWriter | None = None
        self.run: Run | None = None
        self.records: dict[str, Record] = {}
        self.of_ranks: dict[str, Run | HarnessError] = {}  # by question
        # An arm that raises, or is interrupted, before it is timed says so itself; as an error, where
        # warnings are errors, this one would be a second failure, and hide that it was an interrupt.
        config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used at all")
        self.setting = self._checked()

    def _checked(self) -> Setting:
        """Refuse, before anything is measured, what could not be measured."""
        from harness.measure.devices.registry import check_device
        from harness.workload.sources import every_target, resolve

        words = {field: _option(self.config, option) for field, option, _ in options_of("pytest")}
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
        from harness.workload.sources import every_target, resolve

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
        where = environment(self.setting.device)
        run = begun_run(
            where,
            self.setting.device,
            METRICS,
            floor=LAYOUT_FLOOR,
            command=shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
        )
        try:
            self.writer = RunWriter(self.results / "runs", run)
        except StoreError as error:
            pytest.exit(str(error), returncode=_USAGE)
        # What is loaded by now stays; frozen, it is not looked at in every collection between timings.
        set_old_objects_aside()

    def over_ranks(self, question: "Question", case: Case, arm: str, settings: "Settings") -> ArmResult:
        """Return what ranks found of an arm; for the first arm they measure all cases of the question."""
        from harness.ranks.launch import arm_of, measured_by_ranks

        if question.name not in self.of_ranks:
            cases = tuple(dict.fromkeys(case for case, _ in self.cells(question)))
            self.of_ranks[question.name] = measured_by_ranks(cases, question.ranks, settings)
        return arm_of(self.of_ranks[question.name], case, arm)

    def keep(self, question: "Question", case: Case, result: ArmResult) -> None:
        """Write an arm's result down."""
        from harness.workload.sources import resolve

        reference = question.arms(resolve(case.model))[0]
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

    def settings(self) -> "Settings":
        """Return how this session measures."""
        from harness.measure.runner import Settings

        return Settings(budget=self.setting.pair_budget, rss=self.rss, threads=self.setting.threads)


_SESSION = pytest.StashKey[Session]()
_JOB = pytest.StashKey[tuple["Question", Case, str]]()
_REFUSED = pytest.StashKey[str]()


def _session(config: pytest.Config) -> Session:
    if _SESSION not in config.stash:
        config.stash[_SESSION] = Session(config)
    return config.stash[_SESSION]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Check the options before collection, where any was given, on the command line or in the ini file."""
    if any(_option(session.config, name) != default for name, (_, default, _) in _OPTIONS.items()):
        _session(session.config)


class PerCallClock:
    """The clock that pytest-benchmark reads: seconds per call, so that its table and JSON are too."""

    __name__ = "seconds_per_call"

    def __init__(self) -> None:
        self.calls = 1
        self.replayed: Iterator[float] | None = None

    def replay(self, seconds: Iterable[float]) -> None:
        """From now on read as if each round took the next of these, which other processes measured."""
        self.replayed = itertools.chain.from_iterable((0.0, each) for each in seconds)

    def __call__(self) -> float:
        """Return the time, in units in which a call of a sample takes its seconds."""
        return time.perf_counter() / self.calls if self.replayed is None else next(self.replayed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every case and arm for a function that is marked with a question."""
    marker = metafunc.definition.get_closest_marker("harness_question")
    if marker is None:
        return
    from harness.workload.model import WorkloadError
    from harness.workload.questions import load_question

    parameters = []
    cells: tuple[tuple[Case, str], ...] = ()
    try:
        question = load_question(*marker.args)
        cells = tuple(_session(metafunc.config).cells(question))
    except (WorkloadError, pytest.UsageError) as error:
        # Raised here it would be an error in one file's collection: a traceback, and exit status 2.
        metafunc.config.stash[_REFUSED] = str(error)
    for case, arm in cells:
        name = "-".join(part for part in (case.model, case.mode, case.variant, arm) if part).replace(" ", "_")
        mark = pytest.mark.benchmark(group=case.id, timer=PerCallClock(), disable_gc=True)
        parameters.append(pytest.param(question, case, arm, id=name, marks=mark))
    metafunc.parametrize(("question", "case", "arm"), parameters)


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Refuse, before anything is measured, what collection found that cannot be."""
    if _REFUSED in config.stash:
        raise pytest.UsageError(config.stash[_REFUSED])


MeasureArm = Callable[["Question", Case, str], ArmResult]


@pytest.fixture
def harness_measure(request: pytest.FixtureRequest, benchmark: Any) -> MeasureArm:
    """Return the function that measures one arm of one case, timed by pytest-benchmark's loop."""
    session = _session(request.config)
    clock: PerCallClock = request.node.get_closest_marker("benchmark").kwargs["timer"]

    def drive(pair: "Pair") -> None:
        from harness.measure.sampling import quiet

        clock.calls = pair.plan.calls
        with quiet():
            benchmark.pedantic(
                pair.time_arm, setup=pair.before, teardown=pair.after, rounds=pair.plan.total_rounds
            )

    def replay(result: ArmResult) -> None:
        for samples in result.timings[:1]:
            seconds = [value for layout in samples.arm for value in layout]
            clock.replay(seconds)
            benchmark.pedantic(lambda: None, rounds=len(seconds))

    def measured(question: "Question", case: Case, arm: str) -> ArmResult:
        from harness.measure.runner import Settings, measure_arm
        from harness.workload.model import UnsupportedError

        session.start()
        request.node.stash[_JOB] = (question, case, arm)
        settings = session.settings() if benchmark.enabled else Settings(budget=0)
        try:
            if question.ranks > 1:
                result = session.over_ranks(question, case, arm, settings)
                replay(result)
            else:
                result = measure_arm(question, case, arm, settings, drive)
        except UnsupportedError as error:
            pytest.skip(str(error))
        if not result.timings:
            benchmark.pedantic(lambda: None)  # pytest-benchmark wants every benchmark to have run something
        session.keep(question, case, result)
        benchmark.extra_info.update(case=case.id, arm=arm, **result.counts)
        return result

    return measured


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> None:
    """Keep an arm that failed, with its reason; the rest goes on."""
    if call.when != "call" or call.excinfo is None or _JOB not in item.stash:
        return
    error = call.excinfo.value
    skipped = isinstance(error, pytest.skip.Exception)
    if not skipped and not isinstance(error, Exception):
        return
    question, case, arm = item.stash[_JOB]
    reason = str(error).strip().splitlines() or [""]
    name = "" if skipped else f"{type(error).__name__}: "
    status: Status = "skipped" if skipped else "failed"
    _session(item.config).keep(question, case, ArmResult(arm=arm, status=status, reason=name + reason[0]))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make the run file and the tables of what was measured."""
    kept = session.config.stash.get(_SESSION, None)
    if kept is None or kept.writer is None:
        return
    from harness.report.tables import question_pages

    interrupted = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    try:
        kept.run = kept.writer.finish(complete=not interrupted)
        if interrupted:
            return  # the tables stay as they were: half of one would look like all of it
        device = kept.setting.device.partition(":")[0]
        for question, page in question_pages(kept.run).items():
            replace_file(kept.results / "tables" / device / f"{question}.md", page.encode())
    except StoreError as error:
        pytest.exit(str(error), returncode=_USAGE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables."""
    kept = config.stash.get(_SESSION, None)
    if kept is None or kept.run is None:
        return
    from harness.report.tables import case_tables, case_text, environment_lines, share_inside_samples

    terminalreporter.section("autograd-harness")
    for line in environment_lines(kept.run.environment):
        terminalreporter.line(line)
    for table in case_tables(kept.run):
        terminalreporter.line("")
        terminalreporter.line(case_text(table))
    share = share_inside_samples(kept.run)
    if share is not None:
        terminalreporter.line(f"time inside samples: {share:.0%} of the timing passes")
    if kept.writer is not None:
        terminalreporter.line(f"records: {kept.writer.path}; tables: {kept.results / 'tables'}")
