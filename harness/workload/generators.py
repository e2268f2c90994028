"""The generators of torch, on every device that it works on, and those of Python and numpy."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.setting import DEVICE_KINDS


@contextmanager
def torch_generators_kept() -> Iterator[None]:
    """Give the generators of torch back as they were."""
    modules = [module for kind in DEVICE_KINDS if (module := _in_use(kind)) is not None]
    states = [_states(module) for module in modules]
    with torch.random.fork_rng(devices=[]):  # that of the CPU
        try:
            yield
        finally:
            for module, state in zip(modules, states, strict=True):
                _restore(module, state)


def device_states() -> list[torch.Tensor]:
    """Return the states of torch's generators on devices at work; that of the CPU is not among them."""
    modules = (module for kind in DEVICE_KINDS if (module := _in_use(kind)) is not None)
    return [state for module in modules for state in _states(module)]


def _in_use(kind: str) -> Any | None:
    """Return torch's module of a kind of device, where it has generators and is at work."""
    module = getattr(torch, kind, None)
    if not hasattr(module, "get_rng_state"):
        return None
    is_in_use = getattr(module, "is_initialized", None) or module.is_available  # type: ignore[union-attr]
    return module if is_in_use() else None


def _states(module: Any) -> list[torch.Tensor]:
    # Some modules have one device, and take no number.
    if not hasattr(module, "get_rng_state_all"):
        return [module.get_rng_state()]
    return list(module.get_rng_state_all())


def _restore(module: Any, states: list[torch.Tensor]) -> None:
    if hasattr(module, "set_rng_state_all"):
        module.set_rng_state_all(states)
    else:
        module.set_rng_state(states[0])


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Give the generators of torch, Python and numpy back as they were."""
    numpy = sys.modules.get("numpy")
    before = random.getstate()
    numbers = numpy.random.get_state() if numpy else None
    with torch_generators_kept():
        try:
            yield
        finally:
            random.setstate(before)
            if numpy is not None and numbers is not None:
                numpy.random.set_state(numbers)


def seed_everything(seed: int) -> None:
    """Seed the generators of torch, Python and numpy."""
    if _may_have_accelerator():
        torch.manual_seed(seed)
    else:
        # torch.manual_seed formats a traceback for every kind of device not at work, and keeps it until
        # one is: milliseconds below a deep stack.
        torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)


def _may_have_accelerator() -> bool:
    accelerator = getattr(torch, "accelerator", None)  # torch < 2.6 cannot tell; drop with these tox factors
    return accelerator is None or accelerator.is_available()


def random_fingerprint() -> tuple[object, ...]:
    """Return what differs where a generator of torch (on the CPU), Python or numpy was used in between."""
    numpy = sys.modules.get("numpy")
    numbers = numpy.random.get_state()[2] if numpy else 0  # the place in numpy's block of random numbers
    return (bytes(torch.get_rng_state().tolist()), random.getstate(), numbers)
