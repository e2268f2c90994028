"""What is looked at before a model is measured: does it run, does it stay as it is, is its output numbers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from harness.errors import HarnessError
from harness.measure.clock import Clock
from harness.measure.devices.registry import out_of_memory_errors
from harness.measure.forward import defect_of
from harness.measure.graph import running_paths
from harness.workload.factory import first_line
from harness.workload.generators import random_state_kept
from harness.workload.model import Model, WorkloadError, materialize
from harness.workload.state import ModelState


class OutOfMemoryError(WorkloadError):
    """A batch that does not fit into memory."""


_CPU_ALLOCATOR = ("DefaultCPUAllocator", "not enough memory")  # torch's words on a CPU, where it has no class


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch or Python asked in vain for memory."""
    if isinstance(error, out_of_memory_errors()):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU_ALLOCATOR)


COMPILED = (
    "the model is compiled: what it saves is known for a compiled region as a whole, not by the modules in"
    " it, and an arm that changes what is trained runs a region compiled anew"
)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what a user's code raises into one sentence.

    Raises:
        OutOfMemoryError: there was not enough memory.
        WorkloadError: anything else; `what` begins the sentence.
    """
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"{what} ran out of memory: {_short(error)}") from error
        raise WorkloadError(f"{what} raised {_short(error)}") from error


def _short(error: BaseException) -> str:
    line = first_line(error)
    return line if len(line) <= 300 else line[:297] + "..."  # noqa: PLR2004 (a few lines of a terminal)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What two forward passes showed.

    Attributes:
        warnings: what makes the model's numbers doubtful.
        forward_s: seconds of the second pass, with recording and with hooks on every module: enough to
            tell a long call from a short one.
        no_training: why no training step can be made; "" where one can, or where none is asked for.
    """

    warnings: tuple[str, ...]
    forward_s: float
    no_training: str = ""


def inspect_model(model: Model) -> tuple[str, ...]:
    """Run a model's forward pass twice, and return what makes its numbers doubtful.

    Raises:
        OutOfMemoryError: the pass does not fit into memory.
        WorkloadError: the pass raises, which is told with the module that raised; or the model changes
            its own structure from one pass to the next.
    """
    return inspection_of(model, time.perf_counter).warnings


def inspection_of(model: Model, clock: Clock, *, trains: bool = True) -> Inspection:
    """Do as `inspect_model` does, and time the second pass with a clock that waits for the model's device.

    Args:
        model: what is run; it is left as it was.
        clock: in seconds.
        trains: look also whether a training step can be made.
    """
    with refusing("the model's first forward pass"):
        materialize(model)
    state = ModelState.of(model)
    with random_state_kept(), torch.enable_grad():
        output, took, records = _twice(model, state, clock)
        warnings = _numbers(output)
        reason = ""
        if trains:
            reason = _no_training(model, output) if records else "the model runs without a graph alone"
        del output
        state.restore()
    return Inspection(warnings, took, reason)


def _twice(model: Model, state: ModelState, clock: Clock) -> tuple[object, float, bool]:
    """Run a model twice; under `no_grad` where it does not run with a graph.

    Returns:
        What the second pass returned, how long it took, and whether a graph was recorded.
    """
    try:
        return *_checked(model, state, clock), True
    except OutOfMemoryError:
        raise
    except WorkloadError as error:
        state.restore()
        try:
            with torch.no_grad():
                return *_checked(model, state, clock), False
        except WorkloadError:
            raise error from None


def _checked(model: Model, state: ModelState, clock: Clock) -> tuple[object, float]:
    _forward(model)
    before = _structure(model.module)
    start = clock()
    try:
        output = _forward(model)
    except WorkloadError:  # on what the first pass left behind, such as an input that it used up
        state.restore()
        start = clock()
        output = _forward(model)
        before = _structure(model.module)
    took = clock() - start
    after = _structure(model.module)
    if before != after:
        changed = next(iter((before | after) - (before & after)))
        raise WorkloadError(
            f"the model changes its own structure while it runs ({changed[0]!r} is not what it was a pass"
            " before), so that no two of its passes can be compared"
        )
    return output, took


def _no_training(model: Model, output: object) -> str:
    """Return why no training step can be made of what a model's pass returned; "" where one can."""
    if not any(parameter.requires_grad for parameter in model.module.parameters()):
        return "the model has no trainable parameter"
    try:
        with refusing("the loss of the model's output"):
            loss = model.loss(output)
    except OutOfMemoryError:
        raise
    except WorkloadError as error:
        return str(error)
    if not isinstance(loss, torch.Tensor):
        return f"the loss is an object of class {type(loss).__name__}; it has to be a tensor"
    if not loss.requires_grad:
        return "the loss needs no gradient: nothing that it depends on reaches a trainable parameter"
    if loss.numel() != 1:
        return f"the loss is a tensor of shape {tuple(loss.shape)}; it has to be a scalar"
    return ""


def _forward(model: Model) -> object:
    path = [""]
    try:
        with running_paths(model.module, path):
            return model()
    except (Exception, SystemExit) as error:
        where = f"module {path[-1]!r}" if path[-1] else "the model itself"
        kind = type(model.module.get_submodule(path[-1])).__name__
        with refusing(f"the model's forward pass, in {where} ({kind}),"):
            raise error from None


def _structure(module: nn.Module) -> set[tuple[str, str]]:
    parts = {(name, type(child).__name__) for name, child in module.named_modules() if name}
    parts |= {(name, f"parameter {tuple(value.shape)}") for name, value in module.named_parameters()}
    return parts | {(name, f"buffer {tuple(value.shape)}") for name, value in module.named_buffers()}


def _numbers(output: object) -> tuple[str, ...]:
    if defect_of(output) == "NaN":
        return ("the model's output holds NaN: what it takes in time need not be what real numbers take",)
    return ()
