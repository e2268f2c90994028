"""Where a step reads values of tensors back: on a device with a queue, the host waits for it there.

On a CPU the count is read from a trace that was taken anyway; only where it is not 0 is the step run once
more, to see which lines read.
"""

import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.profiler import record_function

# The only door to each operator that is called: torch's notes "Extending PyTorch" show it by this name.
from torch.utils._python_dispatch import TorchDispatchMode

from harness.measure.callers import short_path
from harness.measure.devices.protocol import Device
from harness.measure.recording import recording
from harness.measure.trace import Nesting, Span, Trace
from harness.measure.trace_file import NOTE
from harness.record.measured import CodeLine
from harness.workload.hooks import is_compiled
from harness.workload.step import Part, Step

# Operators whose result, or the size of it, depends on values, for which CUDA's own versions stop the host.
# None of them calls another of them, so that each is one reading: `bool(x)` is is_nonzero, item and
# _local_scalar_dense, and a bool mask as an index calls nonzero.
_READING = frozenset(
    {
        "aten::_local_scalar_dense",
        "aten::nonzero",
        "aten::equal",
        "aten::_unique2",
        "aten::unique_consecutive",
        "aten::unique_dim",
        "aten::unique_dim_consecutive",
        "aten::bincount",
    }
)
_FUSED = "aten::_fused_"  # whole updates: on a CPU they read the count of steps, on a device they do not
_TO_PYTHON = ("aten::resolve_conj", "aten::resolve_neg")  # what tolist() and numpy() leave in a trace
_TORCH = str(Path(torch.__file__).parent) + os.sep
_OWN = str(Path(__file__).parent) + os.sep
_HARNESS = str(Path(__file__).parent.parent) + os.sep
_OPTIMIZERS = str(Path(_TORCH) / "optim") + os.sep
_STEP_COUNT = "_get_value"  # by this function torch's optimizers read their count of steps
_OWN_KIND = "torch.optim."
_APART = ":"  # a tab would make the profiler write another name


@dataclass(frozen=True, slots=True)
class Waits:
    """How often a step reads values back, and where; `places` is () where that could not be seen."""

    count: int
    places: tuple[CodeLine, ...] = ()


def readings(operators: Sequence[Span]) -> list[Span]:
    """Return those operators that read values back.

    >>> [span.name for span in readings([Span(0, 3, "aten::item"), Span(1, 2, "aten::_local_scalar_dense")])]
    ['aten::_local_scalar_dense']
    """
    copies = [after for before, after in pairwise(operators) if (before.name, after.name) == _TO_PYTHON]
    read = [*(span for span in operators if span.name in _READING), *copies]
    fused = [span for span in operators if span.name.startswith(_FUSED)]
    alone = [span for span in read if not any(one.start <= span.start < one.end for one in fused)]
    return sorted(alone, key=lambda span: span.start)


def readings_by_part(step: Step, seen: Trace) -> tuple[int, ...]:
    """Return how often each part of a step that was traced reads values back.

    What torch's optimizers read of their own count of steps does not count: unless they are fused or
    capturable, and then read nothing, they keep it on the host on every device.

    Args:
        step: what was traced.
        seen: its trace, with a mark after each part.
    """
    counts = [len(readings(seen.stretch(index).operators)) for index in range(len(step.parts))]
    return tuple(
        0 if part.name == "optimizer" and _is_of_step_counts(step, count) else count
        for part, count in zip(step.parts, counts, strict=True)
    )


def placed_waits(step: Step, by_part: Sequence[int]) -> Waits:
    """Run a step once more as far as it reads values back, and return the readings with their lines.

    Args:
        step: it is run in the state that it is in; the caller puts that back.
        by_part: how often each of its parts reads.
    """
    total = sum(by_part)
    if is_compiled(step.model.module):
        return Waits(total)
    last = max(index for index, count in enumerate(by_part) if count)
    parts = step.parts[: last + 1]
    try:
        placed = _traced_with_callers(parts)
    except Exception:  # noqa: BLE001 (what cannot be looked on, such as code that torch compiled)
        return Waits(total)
    callers = Nesting(placed.notes)
    by_caller = Counter(callers.innermost(span.start) for span in _innermost(readings(placed.operators)))
    # Where the number alone told that an optimizer reads its step counts, the total is without them.
    is_without = any(
        part.name == "optimizer" and not count for part, count in zip(parts, by_part, strict=False)
    )
    own = 0 if is_without else by_caller[_STEP_COUNT]
    places = {caller: count for caller, count in by_caller.items() if caller not in {"", _STEP_COUNT}}
    return Waits(max(0, total - own), _places(places))


def _is_of_step_counts(step: Step, number: int) -> bool:
    """Return whether it is clear that so many readings of the optimizer part are all of its count of steps.

    torch's own optimizers read the count of every parameter equally often, and nothing else.
    """
    optimizer = step.optimizer
    if optimizer is None or not type(optimizer).__module__.startswith(_OWN_KIND):
        return False
    counts = [state["step"] for state in optimizer.state.values() if "step" in state]
    return bool(counts) and number % len(counts) == 0


def _traced_with_callers(parts: Sequence[Part]) -> Trace:
    operators = _Operators()  # type: ignore[no-untyped-call]
    with recording() as session, _Functions(), operators:
        session.mark()
        for part in parts:
            left = part.call()
            del left
        session.mark()
    return session.trace()


def _innermost(spans: Sequence[Span]) -> list[Span]:
    """Return spans without those that hold the next of the same name: a looked-on operator is there twice."""
    end = Span(math.inf, math.inf, "")
    return [
        span
        for span, after in pairwise([*spans, end])
        if not (span.name == after.name and after.start < span.end)
    ]


def waits_on_device(step: Step, device: Device) -> Waits:
    """Return how often a step makes the host wait for a device, by what the device's library tells.

    Args:
        step: it is run in the state that it is in; the caller puts that back.
        device: it is empty when the step begins.
    """
    by_caller: Counter[str] = Counter()

    def tell() -> None:
        by_caller[_caller(sys._getframe(1))] += 1  # noqa: SLF001 (inspect.currentframe is the same function)

    device.synchronize()
    with device.told_of_waits(tell):
        for part in step.parts:
            left = part.call()
            del left
    device.synchronize()
    return Waits(by_caller.total(), _places({name: count for name, count in by_caller.items() if name}))


def _noted(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None, frame: Any
) -> Any:
    """Call a function inside a note of the line that calls it."""
    with record_function(NOTE + _caller(frame)):
        return function(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Notes the callers of torch's functions: of `tolist`, which is no operator of its own."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function inside a note."""
        return _noted(func, args, kwargs, sys._getframe(1))  # noqa: SLF001


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the callers of operators, in hooks of a backward pass too, where the other mode is off."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call an operator inside a note."""
        return _noted(func, args, kwargs, sys._getframe(1))  # noqa: SLF001


def _caller(frame: Any) -> str:
    """Return the innermost line outside torch, or torch's own where the harness calls it; "" for neither."""
    inside = ""
    while frame is not None and frame.f_code not in {placed_waits.__code__, waits_on_device.__code__}:
        file = frame.f_code.co_filename
        if file.startswith(_OPTIMIZERS) and frame.f_code.co_name == _STEP_COUNT:
            return _STEP_COUNT
        if file.startswith(_TORCH):
            inside = inside or _line(frame)
        elif not _is_instrument(file):
            return inside if inside and file.startswith(_HARNESS) else _line(frame)
        frame = frame.f_back
    return inside


def _is_instrument(file: str) -> bool:
    return file.startswith(_OWN) or file == warnings.__file__


def _line(frame: Any) -> str:
    return f"{frame.f_code.co_filename}{_APART}{frame.f_lineno}"


def _places(by_caller: Mapping[str, int]) -> tuple[CodeLine, ...]:
    """Return lines with how often each was met, most first."""
    ordered = sorted(by_caller.items(), key=lambda item: (-item[1], item[0]))
    places = []
    for caller, count in ordered:
        file, _, line = caller.rpartition(_APART)
        places.append(CodeLine(file=short_path(file), line=int(line), count=count))
    return tuple(places)
