"""Garbage collection around exact passes: none in a pass, and none of it slow."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

from harness.measure.trace import recording


@contextmanager
def old_objects_set_aside() -> Iterator[None]:
    """Keep what is there already out of every collection of garbage, and collect only when asked to.

    What an import of transformers leaves makes each collection 0.15 s long.
    """
    if _IS_SET_ASIDE.get():  # by a caller, whose business it is to undo it
        yield
        return
    token = set_old_objects_aside()
    try:
        yield
    finally:
        _IS_SET_ASIDE.reset(token)
        gc.unfreeze()


def set_old_objects_aside() -> Token[bool]:
    """Do so until the process ends."""
    load_profiler()
    gc.collect()
    gc.freeze()
    return _IS_SET_ASIDE.set(True)


_IS_SET_ASIDE: ContextVar[bool] = ContextVar("_IS_SET_ASIDE", default=False)


@contextmanager
def collection_disabled() -> Iterator[None]:
    """Collect garbage only when asked to, while the block runs."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def load_profiler() -> None:
    """Start the profiler once: its first start imports much that stays."""
    with recording():
        pass
