"""Killed 90 times, at random moments: nothing goes on, nothing is left, and what is stored can be read."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from harness.errors import HarnessError
from harness.record.run_writer import RunWriter
from harness.record.store import load_run
from harness.report.outcomes import NoRunError, gate_files, report_files, trend_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc"),
]

KILLS = 18  # of each of the five doors
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
GONE_S = 5.0
MARK = "HARNESS_TRIAL"
BENCH = """
import pytest

@pytest.mark.harness_question("{question}")
def test_one(harness_measure, question, case, arm):
    harness_measure(question, case, arm)
"""
# Kills its own process in the middle of the write of that number.
INSIDE_A_WRITE = """
import os, sys
fsync, left = os.fsync, [int(sys.argv.pop(1))]
number = int(sys.argv.pop(1))
def killed(handle):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), number)
    fsync(handle)
os.fsync = killed
import runpy
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Door:
    """A way to measure.

    Attributes:
        words: what Python is given.
        stores: the file or folder of it that can be read, below the folder in which it runs.
        question: of the benchmark, where it is one.
    """

    words: tuple[str, ...]
    stores: str
    question: str = "grad_mode"


_PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "--harness-models", "linear", "--harness-budget", "0.2")
DOORS = {
    "measure": Door(
        ("-m", "harness", "measure", "linear", "--time", "3", "--no-curve", "--json", "runs/one.json"), "runs"
    ),
    "pytest": Door(("-m", *_PYTEST), "results/runs"),
    "duel": Door(
        ("-m", "harness", "duel", sys.executable, sys.executable, "linear", "--restarts", "3"), "runs"
    ),
    "ranks": Door(("-m", *_PYTEST), "results/runs", "ranks"),
    "writes": Door(("-c", INSIDE_A_WRITE, "{write}", "{signal}", *_PYTEST), "results/runs"),
}


def started(door: Door, folder: Path, words: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    for name in ("temporary", "runs"):
        (folder / name).mkdir(parents=True)
    (folder / "test_bench.py").write_text(BENCH.format(question=door.question))
    environment = {
        **os.environ,
        "TMPDIR": str(folder / "temporary"),
        MARK: str(folder),
        "OMP_NUM_THREADS": "1",
    }
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(  # noqa: S603 (this interpreter)
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def going_on(folder: Path) -> list[str]:
    """Return the commands of living processes that a trial started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={folder}\0".encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended meanwhile, or is another's
    return found


def in_time(look: Callable[[], list[str]]) -> list[str]:
    """Return what is still there after so many seconds."""
    end = time.monotonic() + GONE_S
    while (there := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return there


def check_readable(folder: Path, configuration: Path, baselines: Path, arms: int) -> None:
    """Check that a folder of runs is read, or refused in a line where it holds none.

    It is a pass only where the end came after the run was written down whole.
    """
    try:
        trend_files([folder])
        (run,), (outcome,) = report_files([folder], None, configuration)
        gated = gate_files([folder], baselines, configuration)
    except NoRunError:
        return
    assert outcome.fails or (run.complete and sum(len(record.arms) for record in run.records) == arms)
    assert gated.fails  # there is no baseline


def check_cleared(folder: Path, whole: Path) -> None:
    """Check that the next session, which measures all, leaves nothing but runs."""
    run = load_run(whole)
    writer = RunWriter(folder, run)
    for record in run.records:
        writer.add(record)
    writer.finish(complete=True)
    assert [path.name for path in folder.iterdir() if path.suffix != ".json" or path.name[0] == "."] == []


@pytest.mark.parametrize("name", DOORS)
def test_what_is_killed_leaves_nothing_but_what_it_had_finished(name: str, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"{name}: seed {seed}")  # noqa: T201 (what makes the moments again)
    # A shell's background job ignores it, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random, door = Random(seed), DOORS[name]
    baselines = tmp_path / "baselines"
    baselines.mkdir()

    first = tmp_path / "whole"
    began = time.monotonic()
    words = tuple(word.format(write=0, signal=0) if word[0] == "{" else word for word in door.words)
    whole = started(door, first, words)
    assert whole.wait(300) == 0, (first / "said").read_text()
    took = time.monotonic() - began
    assert in_time(lambda: going_on(first)) == []
    stored = next(iter((first / door.stores).glob("*.json")), None)

    arms = sum(len(record.arms) for record in load_run(stored).records) if stored is not None else 0
    killed = 0
    for number in range(3 * KILLS):
        if killed == KILLS:
            break
        ending, folder = SIGNALS[number % 3], tmp_path / f"{number}"
        write, after = random.randint(1, 12), random.uniform(0, took)
        words = tuple(
            word.format(write=write, signal=int(ending)) if word[0] == "{" else word for word in door.words
        )
        process = started(door, folder, words)
        if name != "writes":
            time.sleep(after)
            process.send_signal(ending)
        status = process.wait(120)
        if status == 0:  # it was over before
            assert all(load_run(path).complete for path in (folder / door.stores).glob("*.json"))
            shutil.rmtree(folder)
            continue
        killed += 1
        where = f"seed {seed}, trial {number}: {ending.name} after {after:.2f} s, write {write}"
        assert in_time(lambda folder=folder: going_on(folder)) == [], where  # type: ignore[misc]
        left = in_time(lambda folder=folder: [str(path) for path in (folder / "temporary").iterdir()])  # type: ignore[misc]
        assert left == [], where
        runs = folder / door.stores
        runs.mkdir(parents=True, exist_ok=True)
        try:
            check_readable(runs, tmp_path / "pyproject.toml", baselines, arms)
        except HarnessError as error:
            pytest.fail(f"{where}: {error}")
        if stored is not None:
            check_cleared(runs, stored)
    assert killed == KILLS
