"""Turns address space layout randomisation (ASLR) off for a worker, and fixes its hash seed.

With ASLR the kernel maps libraries, heap and stack at other addresses in every process, which changes by
some per cent what a short call takes. Python does alike with the hashes of strings. A worker is therefore
started in two steps: this script turns both off and replaces itself, by exec, with the script that it is
given. That one then moves by an offset that it derives from the seed. In one restart both sides have the
same seed, so they have the same layout; the next restart has another. Any Python 3.6 can read this script.
"""

import ctypes
import os
import sys

_ADDR_NO_RANDOMIZE = 0x0040000  # personality(2): ASLR is off in what this process executes next
_QUERY = 0xFFFFFFFF  # in place of flags: personality(2) changes nothing and returns the present ones


def main() -> None:
    """Execute a script in this process with two more arguments: the seed, and 1 if ASLR is off, else 0.

    Arguments of this script: the seed, the script, and its arguments.
    """
    seed, *script = sys.argv[1:]
    os.environ.setdefault("PYTHONHASHSEED", seed)
    options = getattr(sys, "orig_argv", [])[1 : -len(sys.argv)]  # of the interpreter itself
    is_off = turn_aslr_off()
    os.execv(sys.executable, [sys.executable, *options, *script, seed, str(int(is_off))])  # noqa: S606 (as it was started)


def turn_aslr_off() -> bool:
    """Turn ASLR off for the next program that this process executes; return whether that worked.

    False where a container forbids the call, and on other systems than Linux, which do not have it.
    """
    if sys.platform != "linux":
        return False
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    flags = personality(_QUERY)
    return bool(flags != -1 and personality(flags | _ADDR_NO_RANDOMIZE) != -1)


if __name__ == "__main__":
    main()
