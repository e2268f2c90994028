"""No process outlives the one that it works for. Standard library alone: the sides of a duel load it too.

As a program it becomes another program, which ends with the process that started it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with(parent: int) -> None:
    """End this process when its parent ends, also while it is busy in a call.

    On Linux the kernel kills it. Elsewhere it ends when it next reads its pipe, which is closed then.

    Args:
        parent: its process id; where that process has ended, this one ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:  # it ended before the kernel was told
        os._exit(1)


def tied(command: list[str]) -> list[str]:
    """Return a command that does the same, and ends with this process."""
    return [sys.executable, __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (what it was told)
