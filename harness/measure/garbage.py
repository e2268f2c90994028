"""Garbage collection around exact passes: none in a pass, and none of it slow."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

import torch

from harness.measure.recording import recording


@contextmanager
def old_objects_set_aside() -> Iterator[None]:
    """Keep what is there already out of every collection of garbage, and collect only when asked to.

    What an import of transformers leaves makes each collection 0.15 s long.
    """
    if _IS_SET_ASIDE.get():  # by a caller, whose business it is to undo it
        yield
        return
    token = _set_aside()
    try:
        yield
    finally:
        _IS_SET_ASIDE.reset(token)
        gc.unfreeze()


def set_old_objects_aside() -> Token[bool]:
    """Do so until the process ends."""
    load_optimizers()
    return _set_aside()


def set_optimizers_aside() -> None:
    """Keep what torch imports for the first optimizer out of collections too."""
    load_optimizers()
    gc.collect()
    gc.freeze()


def _set_aside() -> Token[bool]:
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
    """Start the profiler once: what its first start makes stays."""
    with recording():
        pass


def load_optimizers() -> None:
    """Make a step of an optimizer: torch imports its compiler for the first, which takes 2 s and stays."""
    with collection_disabled():  # a fifth of those seconds
        # torch < 2.2 has no rate by default; drop with those tox factors.
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).step()
