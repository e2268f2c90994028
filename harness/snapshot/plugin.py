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

_FLAG = "--harness-snapshot"
_MARKER = "autograd_snapshot"
_METRICS = ("peak", "saved", "nodes", "operators")
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


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the snapshot where it is asked for."""
    config.addinivalue_line("markers", f"{_MARKER}: {_FLAG} keeps exact bytes and counts of this test")
    update = bool(config.getoption("harness_snapshot_update"))
    if not (update or config.getoption("harness_snapshot")):
        return
    if update and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"{_FLAG}-update writes one file from one process: leave -n out")
    snapshot = Snapshot(config.rootpath / str(config.getini("harness_snapshot_folder")), update=update)
    config.stash.setdefault(CHECKS, {})[_MARKER] = snapshot.check
    config.pluginmanager.register(snapshot, "harness-snapshot-session")


class Snapshot:
    """One session's snapshot: what it was, and what it is now."""

    def __init__(self, folder: Path, *, update: bool) -> None:
        self._folder = folder
        self._updates = update
        self._before: Baseline | None = None
        self._now: dict[tuple[str, str], dict[str, int]] = {}
        self._collected: set[str] = set()
        self._said = ""

    def check(self, item: pytest.Item, usage: "BlockUsage") -> list[str]:
        """Keep a test's values; return in what they differ from the snapshot."""
        values = {name: int(getattr(usage, name)) for name in _METRICS}
        self._now[item.nodeid, _ARM] = values
        if self._updates:
            return []
        try:
            before = self._baseline().values.get((item.nodeid, _ARM))
        except HarnessError as error:
            return [str(error)]
        if before is None:
            return [f"not in the snapshot {self._folder}; {_FLAG}-update adds it"]
        return [
            _difference(name, before.get(name), values[name], usage.holders.get(name, {}))
            for name in _METRICS
            if before.get(name) != values[name]
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
            path = write_baseline(
                self._folder, Baseline(key=before.key, values=others | self._now, packages=before.packages)
            )
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


def _key() -> "Key":
    from harness.measure.environment import environment
    from harness.record.baseline import key_of
    from harness.record.measured import Case

    return key_of(environment("cpu"), Case(question="suite", model="suite"))


def _difference(name: str, before: int | None, now: int, holders: Mapping[str, int]) -> str:
    most = next(iter(holders), "")
    where = f"; most of it in {most}" if most and now > (before or 0) else ""
    change = "" if before is None else f" ({now - before:+,})"
    return f"{name}: {'nothing' if before is None else f'{before:,}'} -> {now:,}{change}{where}"
