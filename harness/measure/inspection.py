"""What is looked at before a model is measured: does it run, does it stay as it is, is its output numbers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from harness.errors import HarnessError
from harness.measure.clock import Clock
from harness.measure.device import CudaOutOfMemoryError
from harness.measure.ledger import running_paths
from harness.workload.factory import first_line
from harness.workload.model import Model, WorkloadError
from harness.workload.tensors import tensors_in


class OutOfMemoryError(WorkloadError):
    """A batch that does not fit into memory."""


_CPU_ALLOCATOR = ("DefaultCPUAllocator", "not enough memory")  # torch's words on a CPU, where it has no class


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch or Python asked in vain for memory."""
    if isinstance(error, (MemoryError, CudaOutOfMemoryError)):
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
    except Exception as error:  # whatever the user's code raises
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
    """

    warnings: tuple[str, ...]
    forward_s: float


def inspect_model(model: Model) -> tuple[str, ...]:
    """Run a model's forward pass and loss twice, and return what makes its numbers doubtful.

    Raises:
        OutOfMemoryError: the pass does not fit into memory.
        WorkloadError: the pass raises, which is told with the module that raised; or the model changes
            its own structure from one pass to the next.
    """
    return inspection_of(model, time.perf_counter).warnings


def inspection_of(model: Model, clock: Clock) -> Inspection:
    """Do as `inspect_model` does, and time the second pass with a clock that waits for the model's device."""
    _forward(model)
    before = _structure(model.module)
    start = clock()
    output = _forward(model)
    took = clock() - start
    after = _structure(model.module)
    if before != after:
        changed = next(iter((before | after) - (before & after)))
        raise WorkloadError(
            f"the model changes its own structure while it runs ({changed[0]!r} is not what it was a pass"
            " before), so that no two of its passes can be compared"
        )
    with refusing("the loss of the model's output"):
        model.loss(output)
    return Inspection(_numbers(output), took)


def _forward(model: Model) -> object:
    path = [""]
    try:
        with running_paths(model.module, path):
            return model()
    except Exception as error:
        place = f"module {path[-1]!r}" if path[-1] else "the model itself"
        kind = type(model.module.get_submodule(path[-1])).__name__
        with refusing(f"the model's forward pass, in {place} ({kind}),"):
            raise error from None


def _structure(module: nn.Module) -> set[tuple[str, str]]:
    parts = {(name, type(child).__name__) for name, child in module.named_modules() if name}
    parts |= {(name, f"parameter {tuple(value.shape)}") for name, value in module.named_parameters()}
    return parts | {(name, f"buffer {tuple(value.shape)}") for name, value in module.named_buffers()}


def _numbers(output: object) -> tuple[str, ...]:
    for tensor in tensors_in(output):
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            return ("the model's output holds NaN: what it takes in time need not be what real numbers take",)
    return ()
