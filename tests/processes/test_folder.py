"""Folders and processes that end with the one that made them, also when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.processes.folder import own_folder, removed_folder
from harness.processes.lifeline import tied

pytestmark = pytest.mark.process


def within_seconds(holds: Callable[[], bool]) -> bool:
    """Return whether something comes true; it is given far more time than it needs."""
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.05)
    return False


def started(body: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a program that prints a line when it is ready, and then waits."""
    # A shell's job in the background, and what it starts, ignores Ctrl-C.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{heard}\n{body}\nimport time\ntime.sleep(1000)"
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "make",
    [
        "from harness.processes.folder import own_folder; folder = own_folder()",
        (
            "from harness.processes.folder import removed_folder; made = removed_folder('harness-x-');"
            "folder = made.__enter__()"
        ),
    ],
)
def test_a_folder_ends_with_its_process(make: str, number: signal.Signals, tmp_path: Path) -> None:
    body = f"{make}\n(folder / 'a').mkdir(); (folder / 'a' / 'b').write_text('x'); print(folder, flush=True)"
    with started(body, tmp_path) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        there = (folder / "a" / "b").exists()
        process.send_signal(number)

    assert there
    assert within_seconds(lambda: not list(tmp_path.iterdir()))


def test_a_process_has_one_folder_and_another_has_another() -> None:
    with removed_folder("harness-x-") as folder:
        assert folder.is_dir()

    assert not folder.exists()
    assert own_folder() == own_folder() != folder


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process notices when it next reads")
def test_a_tied_command_ends_with_who_started_it(tmp_path: Path) -> None:
    body = (
        "import subprocess; from harness.processes.lifeline import tied;"
        "made = subprocess.Popen(tied(['sleep', '1000'])); print(made.pid, flush=True)"
    )
    with started(body, tmp_path) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        comm = Path(f"/proc/{pid}/comm")
        became = within_seconds(lambda: comm.read_text().strip() == "sleep")
        process.kill()

    assert became
    assert within_seconds(lambda: not comm.exists())


def test_a_tied_command_does_what_it_would_do_alone() -> None:
    done = subprocess.run(  # noqa: S603 (this interpreter)
        tied(["sh", "-c", "echo heard; exit 3"]), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (3, "heard\n")
