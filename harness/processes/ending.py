"""How a process ends that has imported torch: the sides of a duel load this too."""

import atexit
import gc
import sys


def end_without_search() -> None:
    """Have this process end without looking for garbage once more, in all that it has imported.

    With torch and its compiler that search takes most of a second; what a process holds goes with it anyway.
    Where a library made with nanobind is loaded, as triton is, the search is made: nanobind would take what
    is not collected for leaks, and list it on standard error.
    """
    atexit.register(_set_all_aside)


def _set_all_aside() -> None:
    if not _uses_nanobind():
        gc.freeze()


def _uses_nanobind() -> bool:
    """Return whether a loaded module holds a function or class made with nanobind; a look takes 0.03 s."""
    contents = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())]
    return any(type(value).__module__ == "nanobind" for names in contents for value in list(names.values()))
