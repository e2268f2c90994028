"""A fork is to the program that a test starts what a real start of Python would be, or is one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fork_server import Start, why_real
from quick_python import quick_python

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every start is a real one"),
]

IS_FORK = "import sys; print('torch' in sys.modules)"
SCRIPT = """
import os, sys
print(sys.argv, sys.path[:2], os.getcwd(), os.environ["GIVEN"], __name__, __file__, sys.stdin.read())
print(os.path.exists("/proc/self/fd/7"), file=sys.stderr)
"""


def ended(python: str, folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 (this interpreter, or what stands for it)
        [python, *arguments],
        cwd=folder,
        env={**os.environ, "GIVEN": "a value", "PYTHONPATH": str(folder / "more"), **variables},
        input="what is read",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("program.py", "a word"),
        ("-c", "import sys; print(sys.argv, sys.path[:2])", "a word", "-v"),
        ("-u", "-c", "import sys; print(1); print(2, file=sys.stderr); raise SystemExit"),
        ("-m", "added.module", "a word"),
        ("-madded.module", "a word"),
        ("-m", "nothing"),
        ("-c", "import sys; sys.exit(7)"),
        ("-c", "import sys; sys.exit('a reason')"),
        ("-c", "{}['missing']"),
        ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"),
        ("-c", "import atexit; atexit.register(print, 'last'); raise KeyboardInterrupt"),
        (
            "-c",
            "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print(1))).start()",
        ),
        ("-c", "import os; os.write(1, b'bytes'); os._exit(3)"),
    ],
)
def test_a_fork_does_what_a_real_start_does(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SCRIPT)
    module = tmp_path / "more" / "added" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text(SCRIPT)
    real, fork = (ended(python, tmp_path, *arguments) for python in (sys.executable, quick_python()))

    assert fork.returncode == real.returncode
    assert fork.stdout == real.stdout
    assert fork.stderr.replace(quick_python(), sys.executable) == real.stderr


def test_a_start_is_a_fork_where_it_can_be(tmp_path: Path) -> None:
    assert ended(quick_python(), tmp_path, "-c", IS_FORK).stdout == "True\n"
    assert ended(quick_python(), tmp_path, "-c", "import sys; print(sys.executable)").stdout == (
        quick_python() + "\n"
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "file"),
    [
        (("-S",), {}, ""),
        ((), {"OMP_NUM_THREADS": "3"}, ""),
        ((), {"ATEN_CPU_CAPABILITY": "default"}, ""),
        ((), {"PYTHONHASHSEED": "1"}, ""),
        ((), {}, "more/torch.py"),
        ((), {}, "more/sitecustomize.py"),
        ((), {}, "msgspec/__init__.py"),
    ],
)
def test_what_a_fork_cannot_give_is_a_real_start(
    arguments: tuple[str, ...], variables: dict[str, str], file: str, tmp_path: Path
) -> None:
    if file:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("")

    assert ended(quick_python(), tmp_path, *arguments, "-c", IS_FORK, **variables).stdout == "False\n"


def test_a_fork_has_the_variables_of_its_start_and_no_other() -> None:
    start = Start("python", ["-m", "pytest"], "/", {"OMP_NUM_THREADS": "1", "NAME": "other"}, [])

    assert why_real(start, {"OMP_NUM_THREADS": "1", "NAME": "one"}, {"torch"}) == ""
    assert why_real(start, {}, {"torch"}) == "a variable that is read at the start"


WAITS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print(os.getpid(), flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 5), (signal.SIGINT, -2), (signal.SIGKILL, -9)]
)
def test_a_fork_ends_with_what_stands_for_it(number: signal.Signals, status: int) -> None:
    with subprocess.Popen(  # noqa: S603 (what stands for this interpreter)
        [quick_python(), "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        os.kill(pid, 0)
        process.send_signal(number)

    assert process.returncode == status
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    pytest.fail("it goes on")


def test_two_run_beside_each_other() -> None:
    commands = [[quick_python(), "-c", f"print({number}); input()"] for number in (1, 2)]
    both = [
        subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (likewise)
        for each in commands
    ]

    assert [each.communicate("\n")[0] for each in both] == ["1\n", "2\n"]


def test_a_fork_that_ends_together_with_who_asked_for_it_ends_nothing_else() -> None:
    """The server reads of both ends at once where it was stopped meanwhile."""
    with subprocess.Popen(  # noqa: S603 (what stands for this interpreter)
        [quick_python(), "-c", f"import os; print(os.getppid()); {IS_FORK}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        parent, is_fork = first.stdout.read().split()
    assert is_fork == "True"  # else the parent is the process of this test, which would stop itself
    with subprocess.Popen(  # noqa: S603 (likewise)
        [quick_python(), "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        os.kill(int(parent), signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
        finally:
            os.kill(int(parent), signal.SIGCONT)

    assert ended(quick_python(), Path.cwd(), "-c", IS_FORK).stdout == "True\n"
