"""An interrupt is heeded also where what runs swallows it: a bare `except`, a destructor, a callback of C."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT  # the exit status, as shells have it


@dataclass(slots=True)
class Interrupts:
    """Whether somebody asked this process to stop."""

    came: bool = False

    def check(self) -> None:
        """Do nothing, unless somebody asked to stop.

        Raises:
            KeyboardInterrupt: somebody did, and it was not heeded.
        """
        if self.came:
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: object) -> None:
        self.came = True
        raise KeyboardInterrupt


@contextmanager
def interrupts_heard() -> Iterator[Interrupts]:
    """Write down that an interrupt came, and raise it as Python does.

    In a thread beside the main one, and where interrupts are ignored, all stays as it is.
    """
    interrupts = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts._hear)  # noqa: SLF001 (its own)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(slots=True)
class InterruptedEnd:
    """Ends the process with the status of an interrupt, when all that is to be done at its end is done.

    Python ends by the signal itself once an interrupt has passed through text that was run by `exec`, such as
    what a dataclass is made of, also where the interrupt was heeded and another status is asked for.
    """

    is_near: bool = False

    def install(self) -> None:
        """Be what runs last at the end of the process: to be called before anybody else asks for that."""
        atexit.register(self._end)

    def leave(self) -> NoReturn:
        """End the program as one that was interrupted.

        Raises:
            SystemExit: always.
        """
        self.is_near = True
        sys.exit(INTERRUPTED)

    def _end(self) -> None:
        if not self.is_near:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(INTERRUPTED)


def was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came of an interrupt, however it was wrapped on its way."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
