"""An interrupt is written down, so that code which swallows it cannot make it undone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from harness.processes.interrupts import INTERRUPTED, Interrupts, interrupts_heard, was_interrupted


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Hear interrupts, which a shell ignores for what runs in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_swallows_an_interrupt_only_puts_it_off() -> None:
    with interrupts_heard() as interrupts:
        interrupts.check()
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_is_raised_where_it_comes() -> None:
    with interrupts_heard(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_heard() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_heard() -> None:
    told: list[Interrupts] = []

    def listen() -> None:
        with interrupts_heard() as interrupts:
            told.append(interrupts)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()

    assert told == [Interrupts(came=False)]


def test_an_interrupt_is_known_however_it_was_wrapped() -> None:
    def wrapped() -> BaseException:
        try:
            try:
                raise KeyboardInterrupt  # noqa: TRY301 (as it comes)
            except KeyboardInterrupt as error:
                raise ValueError("of a library") from error
        except ValueError:
            try:
                sys.exit(1)
            except SystemExit as error:
                return error

    assert was_interrupted(wrapped())
    assert not was_interrupted(SystemExit(1))
    assert not was_interrupted(None)


@pytest.mark.process
def test_any_command_that_is_interrupted_ends_with_130_and_without_a_traceback() -> None:
    program = (
        "import sys, harness.commands\n"
        "def app():\n"
        "    import typer\n"
        "    inner = typer.Typer()\n"
        "    @inner.command()\n"
        "    def run(name: str) -> None: raise KeyboardInterrupt\n"
        "    inner()\n"
        "harness.commands.app = app\n"
        "from harness.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", program, "name"], capture_output=True, text=True, check=False
    )

    assert done.returncode == INTERRUPTED
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_an_interrupt_that_passed_through_text_that_is_run_ends_with_130_too() -> None:
    program = (
        "import atexit, os, signal\n"
        "from harness.processes.interrupts import InterruptedEnd\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "end = InterruptedEnd()\n"
        "end.install()\n"
        "atexit.register(print, 'put away')\n"
        "try: exec('os.kill(os.getpid(), signal.SIGINT)')\n"
        "except KeyboardInterrupt: end.leave()\n"
    )
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "put away\n", "")
