"""Where a model's head begins, and what runs before it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import nn

from harness.workload.generators import random_state_kept
from harness.workload.hooks import hookable
from harness.workload.model import Model
from harness.workload.nodes import leaves_behind
from harness.workload.state import ModelState


def with_head(model: Model) -> Model:
    """Return the model with the path of its head: by default the last submodule that its loss depends on.

    To see which that is, the forward pass runs once, with all parameters trained, and the model is left as it
    was: a frozen copy that runs under `no_grad`, as that of a teacher, is no head, nor is a pooling layer
    whose output the loss leaves out.

    Raises:
        WorkloadError: the model has no parameters.
    """
    if model.head:
        return model
    used = _used(model)
    last = ""
    for path, child in model.module.named_modules():
        if any(id(each) in used for each in child.parameters(recurse=False)):
            last = path
    return replace(model, head=last)


def _used(model: Model) -> set[int]:
    """Return which parameters the loss depends on; where that cannot be seen, all that are frozen too."""
    state = ModelState.of(model)
    frozen = [each for each in model.module.parameters() if not each.requires_grad]
    with random_state_kept(), torch.enable_grad():
        try:
            for each in frozen:
                each.requires_grad = True
            return {id(leaf) for leaf in leaves_behind(model.loss_of_forward())}
        except RuntimeError:  # whole numbers, or a pass that writes into what is frozen
            state.restore()
            return {id(leaf) for leaf in leaves_behind(model.loss_of_forward())} | {
                id(each) for each in frozen
            }
        finally:
            state.restore()


def trunk_modules(model: Model) -> tuple[nn.Module, ...]:
    """Return the largest submodules that are called and do not hold the head: what runs before it.

    A container that is never called itself, such as a `ModuleList`, stands for the modules in it. To see
    which are called, the forward pass runs once, and the model is left as it was.

    Raises:
        WorkloadError: the model has no head.
    """
    head = model.head_module()
    called = _called(model)

    def inside(module: nn.Module) -> Iterator[nn.Module]:
        for child in module.children():
            if child is head:
                continue
            if child in called and all(inner is not head for inner in child.modules()):
                yield child
            else:
                yield from inside(child)

    return tuple(dict.fromkeys(inside(model.module)))


def _called(model: Model) -> set[nn.Module]:
    called: set[nn.Module] = set()
    state = ModelState.of(model)
    with ExitStack() as stack:
        stack.enter_context(random_state_kept())
        stack.enter_context(torch.enable_grad())  # a model may differentiate inside
        for _, child in hookable(model.module):
            handle = child.register_forward_pre_hook(lambda module, _inputs: called.add(module))
            stack.callback(handle.remove)
        model()
    state.restore()
    return called
