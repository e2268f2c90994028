"""How a process ends that has imported torch: the sides of a duel load this too."""

import atexit
import gc


def end_without_search() -> None:
    """Have this process end without looking for garbage once more, in all that it has imported.

    With torch and its compiler that search takes most of a second; what a process holds goes with it anyway.
    """
    atexit.register(gc.freeze)
