"""The first thing that runs in a side's interpreter: starts it again at addresses that a seed decides.

Where libraries, heap and stack lie, and how strings are hashed, decides by some per cent what a short
call takes. Both sides of a restart are given the same, and every restart another. Any Python 3.6 can
read this script.
"""

import ctypes
import os
import sys

_ADDR_NO_RANDOMIZE = 0x0040000  # personality(2)
_ASK = 0xFFFFFFFF


def main() -> None:
    """Run a script in this process with two more arguments: the seed, and 1 if it decides, else 0.

    Arguments of this script: the seed, the script, and its arguments.
    """
    seed, *script = sys.argv[1:]
    os.environ.setdefault("PYTHONHASHSEED", seed)
    options = getattr(sys, "orig_argv", [])[1 : -len(sys.argv)]  # of the interpreter itself
    fixed = not_by_chance()
    os.execv(sys.executable, [sys.executable, *options, *script, seed, str(int(fixed))])  # noqa: S606 (as it was started)


def not_by_chance() -> bool:
    """Have the kernel give the next program in this process the addresses that it gives all; say if it does.

    A container may forbid it, and other systems than Linux have no such call.
    """
    if sys.platform != "linux":
        return False
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    now = personality(_ASK)
    return bool(now != -1 and personality(now | _ADDR_NO_RANDOMIZE) != -1)


if __name__ == "__main__":
    main()
