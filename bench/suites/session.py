"""One session of pytest over a suite, in its own process: how tests ended, what was listed, what it took."""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.suites.outcomes import read_outcomes
from bench.suites.record import Call
from bench.suites.sources import Workshop
from bench.suites.suites import Suite
from harness.errors import HarnessError
from harness.watch.finding import WatchFinding, from_data
from harness.watch.report import REMEDIES, finding_sentence

_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_QUIET = ("-q", "--no-header", "--tb=no", "--disable-warnings", "-p", "no:cacheprovider", "-p", "no:randomly")
_RAN = (0, 1)  # pytest's exit statuses of a session that ran to its end


@dataclass(frozen=True, slots=True)
class Session:
    """What one session gave.

    Attributes:
        outcomes: how each test ended.
        calls: that the watch listed.
        stopped: why the watch is not complete.
        wall: seconds of a clock.
        processor: seconds of the processor, of all its processes that have ended.
    """

    outcomes: dict[str, str]
    calls: tuple[Call, ...]
    stopped: tuple[str, ...]
    wall: float
    processor: float


def run_session(workshop: Workshop, suite: Suite, tests: tuple[str, ...], *, watched: bool) -> Session:
    """Run tests of a suite, offline, in one thread, with the flag or without it.

    Raises:
        HarnessError: pytest did not run the tests to their end.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ended, listed, said = folder / "ended.xml", folder / "listed.json", folder / "said.txt"
        command = [str(workshop.python), "-m", "pytest", *_QUIET, *workshop.options, *suite.options]
        command += [f"--junitxml={ended}", *tests]
        if watched:
            command += ["--harness-watch", f"--harness-watch-json={listed}"]
        began = time.perf_counter()
        with said.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(  # noqa: S603 (the interpreter of the environment)
                command,
                cwd=workshop.source(suite),
                env=_environment(suite, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if process.returncode not in _RAN:
            last = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise HarnessError(
                f"{suite.requirement}: pytest ended with {process.returncode}: {' '.join(last)}"
            )
        written: dict[str, Any] = json.loads(listed.read_text()) if watched else {}
        findings = (from_data(each) for each in written.get("findings", ()))
        return Session(
            read_outcomes(ended),
            tuple(map(_call, findings)),
            tuple(written.get("stopped", ())),
            wall,
            used.ru_utime + used.ru_stime,
        )


def _environment(suite: Suite, home: Path) -> dict[str, str]:
    """Return the environment of a session: what one leaves behind, the next does not see."""
    own = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"}
    own |= {"PYTHONUNBUFFERED": "1"}  # so that the last line written is the last in the file
    homes = {"HOME": str(home), "HF_HOME": str(home / "hub"), "TMPDIR": str(home)}
    return {**os.environ, **_OFFLINE, **own, **homes, **dict(suite.variables)}


def _call(finding: WatchFinding) -> Call:
    return Call(
        kind=finding.kind,
        test=finding.test,
        tests=finding.tests,
        file=finding.file.rpartition("/site-packages/")[2],
        line=finding.line,
        function=finding.function,
        times=finding.times,
        bytes=finding.bytes,
        says=finding_sentence(finding),
        remedy=REMEDIES[finding.kind],
    )
