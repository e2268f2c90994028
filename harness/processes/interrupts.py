"""An interrupt is heeded also where what runs swallows it: a bare `except`, a destructor, a callback of C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


def was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came of an interrupt, however it was wrapped on its way."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
