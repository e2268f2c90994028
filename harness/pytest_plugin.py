"""The door through pytest: the `harness_measure` fixture, records and tables of a benchmark session.

What measures is imported when a benchmark is collected, so that the plugin costs other sessions nothing.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.pytest_options import is_asked, option_value
from harness.pytest_workers import SharedRun, is_worker, report_of_worker

if TYPE_CHECKING:
    from harness.pytest_session import Session
    from harness.record.schema import ArmResult, Case, Record, Run, Status
    from harness.workload.question import Question

_USAGE = 4  # pytest's exit status for bad usage
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """The run of a session, and where it is."""

    run: "Run"
    path: Path


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what several workers need to write one run."""
    config.addinivalue_line(
        "markers", "harness_question(name): a benchmark that asks this question of every model"
    )
    if config.pluginmanager.hasplugin("xdist") and not is_worker(config):
        config.stash[_WORKERS] = SharedRun()
        config.pluginmanager.register(config.stash[_WORKERS], "harness-workers")


_SESSION: "pytest.StashKey[Session]" = pytest.StashKey()
_WORKERS = pytest.StashKey[SharedRun]()
_WRITTEN = pytest.StashKey[WrittenRun]()
_JOB: "pytest.StashKey[tuple[Question, Case, str]]" = pytest.StashKey()
_REFUSED = pytest.StashKey[str]()


def _session(config: pytest.Config) -> "Session":
    from harness.pytest_session import Session

    if _SESSION not in config.stash:
        config.stash[_SESSION] = Session(config)
    return config.stash[_SESSION]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Check the options before collection, where any was given, on the command line or in the ini file."""
    if is_asked(session.config):
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
        from harness.record.measured import Case

        parameters: dict[str, Any] = dict(item.callspec.params)
        if not isinstance(parameters.get("case"), Case):
            continue  # nothing is asked of any model, and pytest skips the test
        selected = _session(session.config).selected
        selected.setdefault(parameters["case"].id, []).append(parameters["arm"])


MeasureArm = Callable[["Question", "Case", str], "ArmResult"]


@pytest.fixture
def harness_measure(request: pytest.FixtureRequest, benchmark: Any) -> MeasureArm:
    """Return the function that measures one arm of a case; pytest-benchmark is told each round's seconds."""
    session = _session(request.config)
    clock: PerCallClock = request.node.get_closest_marker("benchmark").kwargs["timer"]

    def replay(record: "Record | None", result: "ArmResult") -> None:
        from harness.judge.times import round_seconds

        seconds = round_seconds(record, result) if record is not None else ()
        if seconds:
            clock.replay(seconds)
        # pytest-benchmark wants every benchmark to have run something
        benchmark.pedantic(lambda: None, rounds=max(1, len(seconds)))

    def measured(question: "Question", case: "Case", arm: str) -> "ArmResult":
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
    from harness.record.schema import ArmResult

    status: Status = "skipped" if skipped else "failed"
    _session(item.config).keep(question, case, ArmResult(arm=arm, status=status, reason=name + reason[0]))


def _excuse(item: pytest.Item) -> None:
    """Take a test that is skipped before it begins off the plan."""
    kept = item.config.stash.get(_SESSION, None)
    if kept is None or not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return
    from harness.record.measured import Case

    case, arm = (item.callspec.params.get(name) for name in ("case", "arm"))
    if isinstance(case, Case) and isinstance(arm, str):
        kept.excused.add((case.id, arm))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make the run file and the tables of what was measured; what is not whole is no success."""
    config = session.config
    kept, workers = config.stash.get(_SESSION, None), config.stash.get(_WORKERS, None)
    if kept is not None:
        kept.close()
    if is_worker(config):
        if kept is not None:
            report_of_worker(config, kept.excused, began=kept.writer is not None)
        return
    interrupted = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    results = Path(option_value(config, "results"))
    try:
        run = kept.finish(complete=not interrupted) if kept is not None else None
        if run is None and workers is not None:
            run = workers.finish(results / "runs", complete=not interrupted)
        if run is None:
            return
        config.stash[_WRITTEN] = WrittenRun(run, results / "runs" / f"{run.id}.json")
        if run.complete:  # else the tables stay as they were: half of one would look like all of it
            _write_tables(run, results)
        elif exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    except HarnessError as error:
        pytest.exit(str(error), returncode=_USAGE)


def _write_tables(run: "Run", results: Path) -> None:
    from harness.record.store import replace_file
    from harness.report.inert import file_name
    from harness.report.page import run_page
    from harness.report.tables import question_pages

    device = run.records[0].case.device.partition(":")[0] if run.records else "cpu"
    for question, page in question_pages(run).items():
        replace_file(results / "tables" / device / f"{file_name(question)}.md", page.encode())
    replace_file(results / PAGE, run_page(run).encode())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the run on one screen, and the tables with `-v`."""
    written = config.stash.get(_WRITTEN, None)
    if written is None:
        return
    from harness.judge.gate import incomplete
    from harness.report.inert import printable
    from harness.report.screen import screen
    from harness.report.tables import case_tables, case_text, header_lines, share_inside_samples
    from harness.report.text import folded, many

    run, kept = written.run, config.stash.get(_SESSION, None)
    results = Path(option_value(config, "results"))
    width = terminalreporter._tw.fullwidth  # noqa: SLF001
    terminalreporter.section("autograd-harness")
    for line in header_lines(run):
        terminalreporter.line(printable(folded(line, width)))
    if config.get_verbosity() > 0:
        for table in case_tables(run):
            terminalreporter.line("")
            terminalreporter.line(printable(case_text(table)))
    for line in printable(screen(run, width)).splitlines():
        terminalreporter.line(line)
    if kept is not None and kept.allowance is not None and kept.allowance.untimed:
        terminalreporter.line(
            f"{many(kept.allowance.untimed, 'arm')} not timed: the exact numbers took the time of the"
            f" session; --harness-time {kept.allowance.needed:.0f} would do"
        )
    if not run.complete:
        terminalreporter.line(printable(f"not complete, so that no table was written: {incomplete(run)}"))
    share = share_inside_samples(run)
    if share is not None:
        terminalreporter.line(f"time inside samples: {share:.0%} of the timing passes")
    terminalreporter.line(
        f"tables: {results / 'tables'}; page: {results / PAGE}; record: {written.path};"
        " all tables here with -v"
    )
