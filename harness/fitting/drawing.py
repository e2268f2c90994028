"""Which modules of a model draw random numbers, and a model in which those alone are in eval mode.

Eval mode of the whole model would hide what parts of a batch change: statistics over a batch, and buffers
that every forward pass in train mode updates.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from harness.workload.generators import device_states, random_fingerprint, random_state_kept
from harness.workload.hooks import always_called, hookable
from harness.workload.model import Model
from harness.workload.state import ModelState


def drawing_modules(model: Model) -> tuple[str, ...]:
    """Return the paths of the modules that draw random numbers themselves; runs a forward pass once."""
    drawing: dict[str, None] = {}
    running: list[str] = []
    state = ModelState.of(model)  # before the hooks, which it would take for the model's own
    held = (each for child in model.module.modules() for each in vars(child).values())
    own = [each for each in held if isinstance(each, torch.Generator)]
    last = _drawn(own)

    def note(path: str) -> None:
        nonlocal last
        now = _drawn(own)
        if now != last:
            drawing[path] = None
        last = now

    def enter(path: str) -> None:
        note(running[-1] if running else "")
        running.append(path)

    def leave(path: str) -> None:
        note(path)
        while running.pop() != path:  # what raised, and was caught, has not left where torch cannot tell
            pass

    before = [each.get_state() for each in own]
    handles = []
    for path, child in hookable(model.module):
        options = always_called(child.register_forward_hook)
        handles += [
            child.register_forward_pre_hook(lambda _module, _inputs, path=path: enter(path)),
            child.register_forward_hook(lambda _module, _inputs, _output, path=path: leave(path), **options),
        ]
    try:
        with random_state_kept(), torch.enable_grad():  # a model may differentiate inside
            model.loss_of_forward()
    finally:
        for handle in handles:
            handle.remove()
        for generator, generator_state in zip(own, before, strict=True):
            generator.set_state(generator_state)
        state.restore()
    return tuple(drawing)


@contextmanager
def in_eval_mode(module: nn.Module, paths: Iterable[str]) -> Iterator[None]:
    """Put some submodules, and not what is inside them, into eval mode, and back."""
    modes = [(child, child.training) for child in map(module.get_submodule, paths)]
    for child, _ in modes:
        child.training = False
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


def _drawn(own: Sequence[torch.Generator]) -> tuple[object, ...]:
    """Return what differs where a generator was used in between, a module's own among them."""
    states = [*(each.get_state() for each in own), *device_states()]
    return (*random_fingerprint(), *(bytes(state.tolist()) for state in states))
