"""What is measured may end the process from inside: that is told, and is never a success."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def exits_told(say: Callable[[str], None]) -> Iterator[None]:
    """While it is open, `os._exit` in this process says so first, and a status of 0 becomes 1.

    A process that was forked from this one, such as a loader of data, ends as it always does.

    Args:
        say: takes the sentence.
    """
    leave, owner = os._exit, os.getpid()

    def told(status: int) -> NoReturn:
        if os.getpid() == owner:
            say(f"the process is ended by os._exit({status}); what was finished before is kept")
            leave(status or 1)
        leave(status)

    os._exit = told  # what is measured has no other door to the process's end
    try:
        yield
    finally:
        os._exit = leave
