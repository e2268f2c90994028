"""`pytest --harness-watch`: the flag, its ini keys and its marker; torch is never imported from here.

What the watcher itself needs is imported when a test has imported torch, so that the plugin costs other
sessions nothing.
"""

import copy
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.watch.finding import WatchFinding
    from harness.watch.importing import TorchImport
    from harness.watch.watcher import SuiteWatcher

_FLAG = "--harness-watch"
_MODES = ("report", "fail")
_MARKER = "harness_unwatched"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options to the group `harness`; each has an ini key."""
    group = parser.getgroup("harness", "autograd-harness")
    group.addoption(
        _FLAG,
        dest="harness_watch",
        nargs="?",
        const="report",
        default=None,
        metavar="fail",
        help="list graphs that code outside of the tests records and drops; =fail fails the session for one",
    )
    group.addoption(
        f"{_FLAG}-json",
        dest="harness_watch_json",
        default=None,
        metavar="FILE",
        help="write what was found to this file",
    )
    parser.addini("harness_watch", f"{_FLAG}: report or fail", default="")
    parser.addini("harness_watch_json", f"{_FLAG}-json", default="")
    parser.addini(
        "harness_watch_ignore",
        "patterns of files, lines (nets.py:12), functions or tests that are not listed",
        type="linelist",
        default=[],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Let what follows the bare flag be a path: `pytest --harness-watch tests` has no value for it."""
    if _FLAG in args:
        args[:] = [f"{_FLAG}=report" if each == _FLAG else each for each in args]
        # pytest has put in by now above which folder there is nothing for it to read.
        outermost = early_config.known_args_namespace.confcutdir
        early_config.known_args_namespace = parser.parse_known_args(
            args, namespace=copy.copy(early_config.option)
        )
        early_config.known_args_namespace.confcutdir = outermost


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the watch where it is asked for."""
    config.addinivalue_line("markers", f"{_MARKER}: {_FLAG} does not list what this test records")
    mode = config.getoption("harness_watch") or config.getini("harness_watch")
    if not mode:
        return
    if mode not in _MODES:
        raise pytest.UsageError(f"{_FLAG}={mode} is unknown; give {_FLAG} alone, or {_FLAG}=fail")
    config.pluginmanager.register(Watch(config, fails=mode == "fail"), "harness-watch-session")


class Watch:
    """One session's watch."""

    def __init__(self, config: pytest.Config, *, fails: bool) -> None:
        self._config = config
        self._fails = fails
        self._watcher: SuiteWatcher | None = None
        self._waiting: TorchImport | None = None
        self._ignored: tuple[str, ...] = tuple(config.getini("harness_watch_ignore"))
        self._unwatched: set[str] = set()
        self._from_workers: list[WatchFinding] = []
        self._stopped: list[str] = []
        self._findings: tuple[WatchFinding, ...] = ()
        self._test = ""

    def pytest_sessionstart(self) -> None:
        """Wait for torch."""
        from harness.watch.importing import TorchImport

        self._waiting = TorchImport(self._start)
        self._waiting.start()

    def _start(self) -> None:
        from harness.watch.watcher import SuiteWatcher

        self._watcher = SuiteWatcher(self._config.rootpath)
        self._watcher.begin(self._test)
        self._watcher.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Say which test runs."""
        self._test = item.nodeid
        if item.get_closest_marker(_MARKER) is not None:
            self._unwatched.add(item.nodeid)
        if self._watcher is not None:
            self._watcher.begin(item.nodeid)
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        """Note in a test's properties how much was found in it; JUnit files have them."""
        yield
        if self._watcher is not None:
            faults = self._watcher.end(item.nodeid)
            if faults and item.nodeid not in self._unwatched:
                item.user_properties.append(("harness_watch", f"{faults} found"))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of xdist found."""
        from harness.watch.finding import from_data

        output = getattr(node, "workeroutput", {})
        self._from_workers += [from_data(each) for each in output.get("harness_watch", ())]
        self._stopped += output.get("harness_watch_stopped", ())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Take the hooks out, and make the list."""
        from harness.watch.finding import as_data, merge

        if self._waiting is not None:
            self._waiting.stop()
        mine: Sequence[WatchFinding] = ()
        if self._watcher is not None:
            self._watcher.stop()
            mine = self._watcher.findings()
            self._stopped += [self._watcher.stopped] if self._watcher.stopped else []
        self._findings = tuple(filter(self._is_listed, merge((*mine, *self._from_workers))))
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["harness_watch"] = [as_data(each) for each in self._findings]
            output["harness_watch_stopped"] = self._stopped
            return
        if self._fails and self._findings and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write_json()

    def _is_listed(self, finding: "WatchFinding") -> bool:
        if finding.test in self._unwatched:
            return False
        subjects = (finding.file, finding.place, finding.function, finding.test)
        return not any(fnmatch(subject, pattern) for pattern in self._ignored for subject in subjects)

    def _write_json(self) -> None:
        path = self._config.getoption("harness_watch_json") or self._config.getini("harness_watch_json")
        if not path:
            return
        import json

        from harness.record.store import StoreError, replace_file
        from harness.watch.finding import as_data

        data = {"format": 1, "findings": [as_data(each) for each in self._findings], "stopped": self._stopped}
        try:
            replace_file(Path(path), json.dumps(data, indent=1).encode() + b"\n")
        except StoreError as error:
            self._stopped.append(str(error))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the list."""
        from harness.watch.report import lines

        count = len(self._findings)
        fails = ", so the run fails" if self._fails else ""
        terminalreporter.section(f"harness watch: {count} found{fails}" if count else "harness watch")
        for line in lines(self._findings):
            terminalreporter.line(line)
        for reason in self._stopped:
            terminalreporter.line(f"the watch is not complete: {reason}")
