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
from harness.setting import SESSION_TIME_S, Setting, options_of

if TYPE_CHECKING:
    from harness.measure.runner import Settings
    from harness.measure.shared_time import SharedTime
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
PAGE = "index.html"


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
        self.selected: dict[str, list[str]] = {}  # the arms of each case that are to be measured
        self.failures: dict[tuple[str, str], Exception] = {}  # by case and arm
        self.excused: set[tuple[str, str]] = set()  # tests that were skipped before they began
        self.allowance: SharedTime | None = None
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
        from harness.workload.sources import resolve

        allowance = self.allowance
        if allowance is None:
            raise RuntimeError("a case was measured before the session started")
        arms, entry = self.selected[case.id], resolve(case.model)
        first = question.arms(entry)[0]
        measurement = CaseMeasurement(
            question, case, self._settings(0.0), entry, reference="" if first in arms else first
        )
        measured: set[str] = set()
        for result in measurement.measure(arms, None if allowance.exact_only else allowance.seconds):
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
        from harness.workload.sources import resolve

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

    def _settings(self, seconds: float) -> "Settings":
        """Return how this session measures."""
        from harness.measure.runner import Settings

        return Settings(budget=seconds, rss=self.rss, threads=self.setting.threads)


def benchmarks_run(config: pytest.Config) -> bool:
    """Return whether pytest-benchmark times what it is given."""
    return not config.getoption("benchmark_disable", default=False)


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
    """The clock that pytest-benchmark reads: what was measured of an arm, round by round, per call."""

    __name__ = "seconds_per_call"

    def __init__(self) -> None:
        self.replayed: Iterator[float] | None = None

    def replay(self, seconds: Iterable[float]) -> None:
        """From now on read as if each round took the next of these."""
        self.replayed = itertools.chain.from_iterable((0.0, each) for each in seconds)

    def __call__(self) -> float:
        """Return the time: of the machine, until there is something to replay."""
        return time.perf_counter() if self.replayed is None else next(self.replayed)


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse, before anything is measured, what cannot be; put what several ranks measure last."""
    if _REFUSED in config.stash:
        raise pytest.UsageError(config.stash[_REFUSED])
    items.sort(key=_ranks_of)  # ranks start processes of their own, which take what time they take


def _ranks_of(item: pytest.Item) -> bool:
    """Return whether several ranks measure what a test asks."""
    question = (
        item.callspec.params.get("question")
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else None
    )
    return getattr(question, "ranks", 1) > 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which arms of each case were selected: they are measured together."""
    for item in session.items:
        if item.get_closest_marker("harness_question") is None or not isinstance(item, pytest.Function):
            continue
        parameters: dict[str, Any] = dict(item.callspec.params)
        if not isinstance(parameters.get("case"), Case):
            continue  # nothing is asked of any model, and pytest skips the test
        selected = _session(session.config).selected
        selected.setdefault(parameters["case"].id, []).append(parameters["arm"])


MeasureArm = Callable[["Question", Case, str], ArmResult]


@pytest.fixture
def harness_measure(request: pytest.FixtureRequest, benchmark: Any) -> MeasureArm:
    """Return the function that measures one arm of a case; pytest-benchmark is told each round's seconds."""
    session = _session(request.config)
    clock: PerCallClock = request.node.get_closest_marker("benchmark").kwargs["timer"]

    def replay(record: Record | None, result: ArmResult) -> None:
        from harness.judge.times import round_seconds

        seconds = round_seconds(record, result) if record is not None else ()
        if seconds:
            clock.replay(seconds)
        # pytest-benchmark wants every benchmark to have run something
        benchmark.pedantic(lambda: None, rounds=max(1, len(seconds)))

    def measured(question: "Question", case: Case, arm: str) -> ArmResult:
        from harness.workload.model import UnsupportedError

        session.start()
        request.node.stash[_JOB] = (question, case, arm)
        try:
            if question.ranks > 1:
                result = session.over_ranks(question, case, arm)
                session.keep(question, case, result)
            elif case.id not in session.records and (case.id, arm) not in session.failures:
                session.measure_case(question, case)
            if (case.id, arm) in session.failures:
                raise session.failures[case.id, arm]
        except UnsupportedError as error:
            pytest.skip(str(error))
        record = session.records[case.id]
        kept = record.arm(arm)
        if kept is None:
            raise HarnessError("it was not measured: the measurement of its case was ended before")
        result = kept
        replay(record, result)
        benchmark.extra_info.update(case=case.id, arm=arm, **result.counts)
        return result

    return measured


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> None:
    """Keep an arm that failed, with its reason; the rest goes on."""
    if (
        call.when == "setup"
        and call.excinfo is not None
        and call.excinfo.errisinstance(pytest.skip.Exception)
    ):
        _excuse(item)
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


def _excuse(item: pytest.Item) -> None:
    """Take a test that is skipped before it begins off the plan."""
    kept = item.config.stash.get(_SESSION, None)
    parameters = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    case, arm = parameters.get("case"), parameters.get("arm")
    if kept is not None and isinstance(case, Case) and isinstance(arm, str):
        kept.excused.add((case.id, arm))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make the run file and the tables of what was measured."""
    kept = session.config.stash.get(_SESSION, None)
    if kept is None or kept.writer is None:
        return
    from harness.report.inert import file_name
    from harness.report.page import run_page
    from harness.report.tables import question_pages

    interrupted = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    try:
        kept.writer.excuse(kept.excused)
        kept.run = kept.writer.finish(complete=not interrupted)
        if not kept.run.complete:
            return  # the tables stay as they were: half of one would look like all of it
        device = kept.setting.device.partition(":")[0]
        for question, page in question_pages(kept.run).items():
            replace_file(kept.results / "tables" / device / f"{file_name(question)}.md", page.encode())
        replace_file(kept.results / PAGE, run_page(kept.run).encode())
    except StoreError as error:
        pytest.exit(str(error), returncode=_USAGE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the run on one screen, and the tables with `-v`."""
    kept = config.stash.get(_SESSION, None)
    if kept is None or kept.run is None:
        return
    from harness.judge.gate import incomplete
    from harness.report.inert import printable
    from harness.report.screen import screen
    from harness.report.tables import case_tables, case_text, header_lines, share_inside_samples
    from harness.report.text import folded, many

    width = terminalreporter._tw.fullwidth  # noqa: SLF001
    terminalreporter.section("autograd-harness")
    for line in header_lines(kept.run):
        terminalreporter.line(printable(folded(line, width)))
    if config.get_verbosity() > 0:
        for table in case_tables(kept.run):
            terminalreporter.line("")
            terminalreporter.line(printable(case_text(table)))
    for line in printable(screen(kept.run, width)).splitlines():
        terminalreporter.line(line)
    if kept.allowance is not None and kept.allowance.untimed:
        terminalreporter.line(
            f"{many(kept.allowance.untimed, 'arm')} not timed: the exact numbers took the time of the"
            f" session; --harness-time {kept.allowance.needed:.0f} would do"
        )
    if not kept.run.complete:
        terminalreporter.line(
            printable(f"not complete, so that no table was written: {incomplete(kept.run)}")
        )
    share = share_inside_samples(kept.run)
    if share is not None:
        terminalreporter.line(f"time inside samples: {share:.0%} of the timing passes")
    if kept.writer is not None:
        terminalreporter.line(
            f"tables: {kept.results / 'tables'}; page: {kept.results / PAGE}; record: {kept.writer.path};"
            " all tables here with -v"
        )
