"""Who holds the memory at the highest level of a step: every allocated byte in exactly one share.

Blocks are matched by address, at the moment they are written down, to what was saved for backward, to
gradients and to outputs; what is none of these is a temporary.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from harness.measure.devices.protocol import Device
from harness.measure.graph import Graph, SavedTensors
from harness.measure.recording import followed, note, recording
from harness.measure.trace import Allocation, Nesting, Span, Trace
from harness.record.measured import Attribution, Share
from harness.workload.generators import random_state_kept, seed_everything
from harness.workload.state import ModelState
from harness.workload.step import Part, Step
from harness.workload.tensors import storages_in, storages_of, tensors_in

_SAVED, _OUTPUT, _GRADIENT = "saved", "output", "gradient"

_Key = tuple[str, str, str]  # category, module, operator


def saved_shares(graph: Graph, module: nn.Module) -> tuple[Share, ...]:
    """Return what a forward pass saved for backward, by module and operator, largest first."""
    sizes: dict[_Key, list[int]] = defaultdict(list)
    for saved in graph.saved:
        operator = _operator_of_node(saved.node) or saved.operator.partition("::")[2]
        sizes["saved", saved.module, operator].append(saved.bytes)
    return _shares(sizes, module)


def _operator_of_node(node: str) -> str:
    """Return an autograd node's operator: "addmm" for "AddmmBackward0"."""
    name = node.rstrip("0123456789").removesuffix("Backward")
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def attribute_peak(step: Step, device: Device | None = None, *, runs: int = 2) -> Attribution:
    """Run a step under the profiler and name what is allocated at its highest level.

    What outlives the step (parameters, buffers, inputs, the optimizer's state) is counted by its unique
    storages; all above it by the allocator's events.

    Args:
        step: what is run, each time from the state in which it is now.
        device: whose allocator counts; None for the CPU's.
        runs: how often it is run, of which the last is told; 1 for a step that has run before.
    """
    state = ModelState.of(step.model)
    with random_state_kept(), torch.enable_grad():
        try:
            return _attributed(step, state, device, runs, hooked=True)
        except (
            RuntimeError
        ):  # some torch functions refuse saved-tensor hooks; if the model raises, it does again
            return _attributed(step, state, device, runs, hooked=False)
        finally:
            state.restore()


def _attributed(
    step: Step, state: ModelState, device: Device | None, runs: int, *, hooked: bool
) -> Attribution:
    module = step.model.module
    calls = [_noting(part, module, hooked=hooked) for part in step.parts]
    with recording(device) as session:
        for _ in range(runs):
            state.restore()
            seed_everything(0)
            with followed(module):
                session.mark()
                for call in calls:
                    result = call()
                    session.mark()
                    del result
    first = (runs - 1) * (len(calls) + 1)
    whole = session.trace().between(first, first + len(calls))
    peak = _replay(whole)
    naming = _Naming(Nesting(whole.operators), Nesting(whole.modules))
    sizes: dict[_Key, list[int]] = defaultdict(list)
    for block in peak.blocks:
        sizes[naming.key(block)].append(block.bytes)
    if peak.freed:
        sizes["freed since the start", "", ""].append(peak.freed)
    shares = (*_lasting_shares(step), *_shares(sizes, module))
    return Attribution(
        peak=sum(share.bytes for share in shares),
        above_start=whole.peak_bytes(),
        part=_part_at(step, whole, peak.time),
        shares=tuple(sorted(shares, key=lambda share: -share.bytes)),
    )


def lasting_bytes(step: Step) -> int:
    """Return the bytes of what outlives a step: parameters, buffers, inputs and the optimizer's state."""
    return sum(share.bytes for share in _lasting_shares(step))


def _noting(part: Part, module: nn.Module, *, hooked: bool) -> Callable[[], object]:
    """Return a part's call, which also notes the addresses that say what a block is."""

    def tell(kind: str, tensor: torch.Tensor, name: str = "") -> None:
        for address, _ in storages_in(tensor):
            note(f"{kind} {address} {name}".strip())

    def call() -> object:
        saved = SavedTensors(lambda _number, tensor: tell(_SAVED, tensor))
        with saved.hooks() if hooked else nullcontext():
            result = part.call()
        for tensor in tensors_in(result):
            tell(_OUTPUT, tensor)
        if part.name == "backward":
            for name, parameter in module.named_parameters():
                if parameter.grad is not None:
                    tell(_GRADIENT, parameter.grad, name)
        return result

    return call


def _lasting_shares(step: Step) -> tuple[Share, ...]:
    """Return the shares of what is there before a step and after it, each storage once."""
    module = step.model.module
    sizes: dict[_Key, list[int]] = defaultdict(list)
    addresses: set[int] = set()

    def add(category: str, path: str, tensors: Iterable[torch.Tensor]) -> None:
        for address, size in (storage for tensor in tensors for storage in storages_of(tensor)):
            if size and address not in addresses:
                addresses.add(address)
                sizes[category, path, ""].append(size)

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


def _replay(whole: Trace) -> _Peak:
    """Go through a trace once more, and keep the blocks that were live at its highest level.

    All of it is read, because a block may be saved, or turn out to be a gradient, after that.
    """
    live: dict[int, _Block] = {}
    level = highest = freed = 0
    peak = _Peak(whole.marks[0], (), 0)
    # Sorting is stable: of two events of one moment, the allocation comes before the note.
    events: list[Allocation | Span] = [*whole.allocations, *whole.notes]
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

    operators: Nesting
    modules: Nesting

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


def _part_at(step: Step, whole: Trace, time: float) -> str:
    index = bisect.bisect_right(whole.marks, time) - 1
    return step.parts[min(max(index, 0), len(step.parts) - 1)].name
