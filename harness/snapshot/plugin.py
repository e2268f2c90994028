"""`pytest --harness-snapshot`: exact values of marked tests, held against a file in the gate's own format."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import HarnessError
from harness.limiting.plugin import CHECKS

if TYPE_CHECKING:
    from harness.limiting.usage import BlockUsage
    from harness.record.baseline import Baseline, Key
    from harness.record.callers import CallerKey

_FLAG = "--harness-snapshot"
_MARKER = "autograd_snapshot"
_NODES, _OPERATORS = "nodes", "operators"
_METRICS = ("peak", "saved", _NODES, _OPERATORS)
_COUNTS = ("fail", "show")
_PROPERTY = "harness_snapshot"
_MOST_SHOWN = 20
_ARM = "test"  # a row of the gate's file names an arm, and a test runs in one way


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options to the group `harness`."""
    group = parser.getgroup("harness", "autograd-harness")
    group.addoption(
        _FLAG,
        dest="harness_snapshot",
        action="store_true",
        help=f"hold exact bytes and counts of tests marked {_MARKER} against their snapshot",
    )
    group.addoption(
        f"{_FLAG}-update",
        dest="harness_snapshot_update",
        action="store_true",
        help="write the snapshot of the tests that ran",
    )
    parser.addini("harness_snapshot_folder", "where snapshots lie", default="harness-snapshots")
    parser.addini(
        "harness_snapshot_counts",
        "what more nodes or operators do that take no byte: fail, or show",
        default=_COUNTS[0],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the snapshot where it is asked for."""
    config.addinivalue_line("markers", f"{_MARKER}: {_FLAG} keeps exact bytes and counts of this test")
    update = bool(config.getoption("harness_snapshot_update"))
    if not (update or config.getoption("harness_snapshot")):
        return
    if update and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"{_FLAG}-update writes one file from one process: leave -n out")
    counts = str(config.getini("harness_snapshot_counts"))
    if counts not in _COUNTS:
        raise pytest.UsageError(f"harness_snapshot_counts is {counts!r}; it is 'fail' or 'show'")
    folder = config.rootpath / str(config.getini("harness_snapshot_folder"))
    snapshot = Snapshot(folder, update=update, counts_fail=counts == "fail")
    config.stash.setdefault(CHECKS, {})[_MARKER] = snapshot.check
    config.pluginmanager.register(snapshot, "harness-snapshot-session")


class Snapshot:
    """One session's snapshot: what it was, and what it is now."""

    def __init__(self, folder: Path, *, update: bool, counts_fail: bool = True) -> None:
        self._folder = folder
        self._updates = update
        self._counts_fail = counts_fail
        self._before: Baseline | None = None
        self._now: dict[tuple[str, str], dict[str, int]] = {}
        self._callers: dict[tuple[str, str], dict[CallerKey, dict[str, int]]] = {}
        self._shown: list[str] = []
        self._collected: set[str] = set()
        self._said = ""

    def check(self, item: pytest.Item, usage: "BlockUsage") -> list[str]:
        """Keep a test's values; return in what they differ from the snapshot."""
        from harness.record.callers import callers_of

        key = item.nodeid, _ARM
        values = {name: int(getattr(usage, name)) for name in _METRICS}
        self._now[key] = values
        self._callers[key] = callers_of(usage.own_calls, usage.graphs)
        if self._updates:
            return []
        try:
            baseline = self._baseline()
        except HarnessError as error:
            return [str(error)]
        before = baseline.values.get(key)
        if before is None:
            return [f"not in the snapshot {self._folder}; {_FLAG}-update adds it"]
        if before == values:
            return []
        is_free = _is_free(before, values)
        said = [
            *_causes(key, usage, baseline, is_free=is_free),
            *(
                _difference(name, before.get(name), values[name], usage.holders.get(name, {}))
                for name in _METRICS
                if before.get(name) != values[name]
            ),
        ]
        if self._counts_fail or not is_free:
            return said
        item.user_properties.append((_PROPERTY, "; ".join(said)))
        return []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what is shown and fails nothing; a worker's reports come here too."""
        if report.when == "call":
            self._shown += [
                f"{report.nodeid}: {text}" for name, text in report.user_properties if name == _PROPERTY
            ]

    def _baseline(self) -> "Baseline":
        """Return the snapshot for this torch and machine, empty where there is none."""
        if self._before is None:
            from harness.record.baseline import Baseline, read_baselines

            key = _key()
            known = read_baselines(self._folder) if self._folder.is_dir() else {}
            self._before = known.get(key.name, Baseline(key=key))
        return self._before

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remember which tests there are, before any is deselected."""
        self._collected = {item.nodeid for item in items}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the snapshot on request: the tests that ran, those that did not, none that are gone."""
        if not self._updates or not self._now:
            return
        from harness.record.baseline import Baseline, write_baseline

        try:
            before = self._baseline()
            whole = not any("::" in str(each) for each in session.config.args)
            files = {nodeid.partition("::")[0] for nodeid in self._collected} if whole else set()
            others = {
                (test, arm): row
                for (test, arm), row in before.values.items()
                if test in self._collected or test.partition("::")[0] not in files
            }
            known = {test: before.callers[test] for test in others if test in before.callers}
            after = Baseline(
                key=before.key,
                values=others | self._now,
                packages=before.packages,
                callers=known | self._callers,
            )
            path = write_baseline(self._folder, after)
        except HarnessError as error:
            self._said = str(error)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        changed = sum(before.values.get(key) != row for key, row in self._now.items())
        gone = len(before.values) - len(others)
        self._said = f"{path}: {changed} of {len(self._now)} tests written anew, {gone} gone"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was written, or how many tests were held against the snapshot."""
        terminalreporter.line(
            f"harness snapshot: {self._said or f'{len(self._now)} tests held against {self._folder}'}"
        )
        for line in self._shown[:_MOST_SHOWN]:
            terminalreporter.line(f"changed: {line}")
        if len(self._shown) > _MOST_SHOWN:
            terminalreporter.line(f"{len(self._shown) - _MOST_SHOWN} more tests changed in counts alone")


def _key() -> "Key":
    from harness.measure.environment import environment
    from harness.record.baseline import key_of
    from harness.record.measured import Case

    return key_of(environment("cpu"), Case(question="suite", model="suite"))


def _is_free(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Tell whether there are only more counts than before: no byte changed, and no graph where none was."""
    names = [name for name in _METRICS if before.get(name) != now[name]]
    return all(name in (_NODES, _OPERATORS) and before.get(name, 0) < now[name] for name in names) and (
        _NODES not in names or before.get(_NODES, 0) > 0
    )


def _causes(
    key: tuple[str, str], usage: "BlockUsage", baseline: "Baseline", *, is_free: bool
) -> tuple[str, ...]:
    """Return what is known of the cause of a difference, a sentence each."""
    from harness.judge.callers import callers_change
    from harness.judge.causes import causes_of_callers

    before = baseline.values[key]
    change = callers_change(
        key,
        baseline.callers.get(key, {}),
        (usage.own_calls, usage.graphs),
        operators_differ=before.get(_OPERATORS) != usage.operators,
        recorded_none=before.get(_NODES) == 0,
        is_free=is_free,
    )
    unknown = f"the snapshot holds no modules, so none is named; {_FLAG}-update, at the base, adds them"
    return (*causes_of_callers([change]), *([unknown] if change.unknown else []))


def _difference(name: str, before: int | None, now: int, holders: Mapping[str, int]) -> str:
    most = next(iter(holders), "")
    where = f"; most of it in {most}" if most and now > (before or 0) else ""
    change = "" if before is None else f" ({now - before:+,})"
    return f"{name}: {'nothing' if before is None else f'{before:,}'} -> {now:,}{change}{where}"
