"""Who holds the memory at the highest level of a step: every allocated byte in exactly one share.

Blocks are matched by address, at the moment they are written down, to what was saved for backward, to
gradients and to outputs; what is none of these is a temporary.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from harness.measure.device import Device
from harness.measure.ledger import Graph
from harness.measure.trace import Allocation, Span, Trace, note, trace
from harness.record.measured import Attribution, Share
from harness.workload.step import Part, Step
from harness.workload.tensors import tensors_in

_SAVED, _OUTPUT, _GRADIENT = "saved", "output", "gradient"

_Key = tuple[str, str, str]  # category, module, operator


def saved_shares(graph: Graph, module: nn.Module) -> tuple[Share, ...]:
    """Return what a forward pass saved for backward, by module and operator, largest first."""
    sizes: dict[_Key, list[int]] = defaultdict(list)
    for saved in graph.saved:
        sizes["saved", saved.module, _operator_of_node(saved.node)].append(saved.bytes)
    return _shares(sizes, module)


def _operator_of_node(node: str) -> str:
    """Return an autograd node's operator: "addmm" for "AddmmBackward0"."""
    name = node.rstrip("0123456789").removesuffix("Backward")
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def attribute_peak(step: Step, device: Device | None = None, *, warm: bool = False) -> Attribution:
    """Run a step under the profiler and name what is allocated at its highest level.

    What outlives the step (parameters, buffers, inputs, the optimizer's state) is counted by its unique
    storages; all above it by the allocator's events. A step that is warm has run before.
    """
    module = step.model.module
    seen = trace([_noting(part, module) for part in step.parts], follow=module, device=device, warm=warm)
    peak = _replay(seen)
    naming = _Naming(_Nested(seen.operators), _Nested(seen.modules))
    sizes: dict[_Key, list[int]] = defaultdict(list)
    for block in peak.blocks:
        sizes[naming.key(block)].append(block.bytes)
    if peak.freed:
        sizes["freed since the start", "", ""].append(peak.freed)
    shares = (*_lasting_shares(step), *_shares(sizes, module))
    return Attribution(
        peak=sum(share.bytes for share in shares),
        above_start=seen.peak_bytes(),
        part=_part_at(step, seen, peak.time),
        shares=tuple(sorted(shares, key=lambda share: -share.bytes)),
    )


def lasting_bytes(step: Step) -> int:
    """Return the bytes of what outlives a step: parameters, buffers, inputs and the optimizer's state."""
    return sum(share.bytes for share in _lasting_shares(step))


def _noting(part: Part, module: nn.Module) -> Callable[[], object]:
    """Return a part's call, which also notes the addresses that say what a block is."""

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        note(f"{_SAVED} {tensor.untyped_storage().data_ptr()}")
        return tensor.detach()  # the tensor itself would make a cycle through its own node

    def call() -> object:
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            left = part.call()
        for tensor in tensors_in(left):
            note(f"{_OUTPUT} {tensor.untyped_storage().data_ptr()}")
        if part.name == "backward":
            for name, parameter in module.named_parameters():
                if parameter.grad is not None:
                    note(f"{_GRADIENT} {parameter.grad.untyped_storage().data_ptr()} {name}")
        return left

    return call


def _lasting_shares(step: Step) -> tuple[Share, ...]:
    """Return the shares of what is there before a step and after it, each storage once."""
    module = step.model.module
    sizes: dict[_Key, list[int]] = defaultdict(list)
    seen: set[int] = set()

    def add(category: str, path: str, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage.nbytes() and storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                sizes[category, path, ""].append(storage.nbytes())

    for name, parameter in module.named_parameters():
        add("parameters", name.rpartition(".")[0], [parameter])
    for name, buffer in module.named_buffers():
        add("buffers", name.rpartition(".")[0], [buffer])
    add("inputs", "", tensors_in(step.model.inputs))
    if step.optimizer is not None:
        for name, parameter in module.named_parameters():
            add(
                "optimizer state",
                name.rpartition(".")[0],
                tensors_in(step.optimizer.state.get(parameter, {})),
            )
    return _shares(sizes, module)


def _shares(sizes: dict[_Key, list[int]], module: nn.Module) -> tuple[Share, ...]:
    classes = {path: type(child).__name__ for path, child in module.named_modules(remove_duplicate=False)}
    shares = [
        Share(
            category=category,
            bytes=sum(each),
            blocks=len(each),
            module=path,
            kind=classes.get(path, ""),
            operator=operator,
        )
        for (category, path, operator), each in sizes.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.bytes))


@dataclass(slots=True)
class _Block:
    bytes: int
    time: float  # microseconds on the trace's clock
    saved_at: float | None = None
    gradient_of: str = ""
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class _Peak:
    time: float  # microseconds on the trace's clock
    blocks: tuple[_Block, ...]  # live at that time, allocated since the start
    freed: int  # bytes, negative, of blocks that were there at the start and are gone


def _replay(seen: Trace) -> _Peak:
    """Go through a trace once more, and keep the blocks that were live at its highest level.

    All of it is read, because a block may be saved, or turn out to be a gradient, after that.
    """
    live: dict[int, _Block] = {}
    level = highest = freed = 0
    peak = _Peak(seen.marks[0], (), 0)
    # Sorting is stable: of two events of one moment, the allocation comes before the note.
    events: list[Allocation | Span] = [*seen.allocations, *seen.notes]
    for event in sorted(events, key=_time):
        if isinstance(event, Span):
            _read_note(event, live)
            continue
        level += event.bytes
        if event.bytes > 0:
            live[event.address] = _Block(event.bytes, event.time)
        elif live.pop(event.address, None) is None:
            freed += event.bytes
        if level > highest:
            highest = level
            peak = _Peak(event.time, tuple(live.values()), freed)
    return peak


def _time(event: Allocation | Span) -> float:
    return event.start if isinstance(event, Span) else event.time


def _read_note(event: Span, live: dict[int, _Block]) -> None:
    kind, address, *name = event.name.split(" ", 2)
    block = live.get(int(address))
    if block is None:  # it was there before the step
        return
    if kind == _SAVED and block.saved_at is None:
        block.saved_at = event.start
    elif kind == _OUTPUT:
        block.is_output = True
    elif kind == _GRADIENT:
        block.gradient_of = name[0]


@dataclass(frozen=True, slots=True)
class _Naming:
    """Says of a block which category, module and operator it belongs to."""

    operators: "_Nested"
    modules: "_Nested"

    def key(self, block: _Block) -> _Key:
        if block.gradient_of:
            return "gradients", block.gradient_of.rpartition(".")[0], ""
        if block.is_output:
            return "outputs", self.modules.innermost(block.time), self._outermost(block.time)
        if block.saved_at is not None:
            operator = self.operators.innermost(block.saved_at).partition("::")[2]
            return "saved", self.modules.innermost(block.saved_at), operator
        return "temporaries", self.modules.innermost(block.time), self._outermost(block.time)

    def _outermost(self, time: float) -> str:
        # The innermost operator of every allocation is one that makes an empty tensor.
        return self.operators.outermost(time).partition("::")[2]


class _Nested:
    """Spans that lie in one another, and which of them ran at a time."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._around: list[int] = []  # the index of the span that each span lies in; -1 for none
        inside: list[int] = []
        for index, span in enumerate(spans):
            while inside and spans[inside[-1]].end <= span.start:
                inside.pop()
            self._around.append(inside[-1] if inside else -1)
            inside.append(index)

    def _at(self, time: float) -> Iterator[str]:
        index = bisect.bisect_right(self._starts, time) - 1
        while index >= 0:
            if self._spans[index].end >= time:
                yield self._spans[index].name
            index = self._around[index]

    def innermost(self, time: float) -> str:
        """Return the name of the innermost span at a time, or ""."""
        return next(self._at(time), "")

    def outermost(self, time: float) -> str:
        """Return the name of the outermost span at a time, or ""."""
        name = ""
        for name in self._at(time):  # noqa: B007 (the last one is wanted)
            pass
        return name


def _part_at(step: Step, seen: Trace, time: float) -> str:
    index = bisect.bisect_right(seen.marks, time) - 1
    return step.parts[min(max(index, 0), len(step.parts) - 1)].name
