"""One forward pass under the profiler: every block that it leaves behind, and what holds it.

The pass runs, its output is held, its graph is dropped, then the output, then what only the garbage
collector frees. At which of these steps a block goes says what held it. What was there before the pass is
in none of this: a block counts because the traced pass allocated it.
"""

import gc
import types
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch

from harness.errors import HarnessError
from harness.measure.device import Device
from harness.measure.graph import Graph, Saved, SavedTensors, holders, walk
from harness.measure.trace import Allocation, Nesting, Recording, Span, Trace, followed, note, recording
from harness.workload.model import Model
from harness.workload.state import State, random_fingerprint, reached_by, seed_everything
from harness.workload.tensors import objects_in, raw_storages_in, storages_in, storages_of, tensors_in

Holder = Literal["output", "saved", "scalar", "graph", "model", "cycle"]

_SCALAR_BYTES = 8
_LAZY = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, map, filter, zip)
_HOST_READS = frozenset({"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero"})
_SAVED, _OUTPUT, _BARE, _REACHED = "saved", "output", "bare", "reached"


@dataclass(frozen=True, slots=True)
class Held:
    """A block that a pass allocated and that is there when it has returned.

    Attributes:
        bytes: its size.
        holder: the output; the graph, which saved it ("saved") or has it besides ("graph"), or as a Python
            number ("scalar"); the model or its inputs; or a cycle that the garbage collector frees.
        module: path of the module that saved it, or else allocated it; "" for the model itself.
        operator: the operator that did so; "" outside every operator.
        node: of what is saved, the autograd node that holds it; "" where none can be named.
        stays: it is still there when output and graph are dropped and garbage is collected.
        in_cycle: it goes only when garbage is collected.
    """

    bytes: int
    holder: Holder
    module: str
    operator: str
    node: str = ""
    stays: bool = False
    in_cycle: bool = False

    @property
    def is_accounted(self) -> bool:
        """Whether the books know of it: as output, as saved, or as a Python number."""
        return self.holder in {"output", "saved", "scalar"}


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """What one forward pass did.

    Attributes:
        trace: of the pass itself, its output held to the end.
        held: the blocks it left behind.
        graph: what it recorded.
        stays: bytes that are still there when all that it returned is gone, less what it freed.
        changes: paths of the model's state and inputs that it changed.
        defect: what in its output is no number: "NaN", "infinity", or "".
        lazy: the class of an iterator in its output that has run nothing yet; "" where there is none.
        used_random: it drew random numbers on the host and read a value back, as random depth does.
        signature: what a repeat of the same pass has in common with it.
        warm_signature: the same of the pass before it.
        allocated: bytes allocated while each module ran, by the path of the innermost one.
        warm_allocated: the same of the pass before it.
    """

    trace: Trace
    held: tuple[Held, ...]
    graph: Graph
    stays: int
    changes: tuple[str, ...]
    defect: str
    lazy: str
    used_random: bool
    signature: tuple[object, ...]
    warm_signature: tuple[object, ...]
    allocated: dict[str, int]
    warm_allocated: dict[str, int]

    @property
    def is_repeatable(self) -> bool:
        """Whether the pass before it, from the same state and other random numbers, did the same."""
        return self.signature == self.warm_signature and not self.used_random

    def bytes_held_by(self, *which: Holder) -> int:
        """Return the bytes that some holders hold."""
        return sum(block.bytes for block in self.held if block.holder in which)


@dataclass(slots=True)
class _Looked:
    """What is known of one run besides its trace."""

    marks: list[int] = field(default_factory=list)  # begin, return, graph gone, output gone, collected, end
    held: frozenset[int] = frozenset()  # numbers of saved tensors
    sizes: dict[int, tuple[int, bool]] = field(default_factory=dict)  # by number: bytes, in the books' memory
    nodes: int = 0
    leaves: tuple[torch.Tensor, ...] = ()
    is_foreign: bool = False  # the graph holds what hooks other than ours packed
    hooked: bool = False
    names: dict[int, str] = field(default_factory=dict)  # node by address
    defect: str = ""
    lazy: str = ""
    changes: tuple[str, ...] = ()
    used_random: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is run, on what, and from which state."""

    forward: Callable[[], object]
    model: Model
    state: State
    device: Device | None


def run_forward(
    forward: Callable[[], object],
    model: Model,
    state: State,
    seed: int,
    device: Device | None = None,
) -> ForwardPass:
    """Run a forward pass twice from one state, with other random numbers, and look at the second time.

    Raises:
        Exception: whatever the model raises.
    """
    plan = _Plan(forward, model, state, device)
    try:
        return _run(plan, seed, hooked=True)
    except HarnessError:
        raise
    except Exception:  # noqa: BLE001 (some torch functions refuse saved-tensor hooks; if the model raises, it does again)
        state.restore()
        return _run(plan, seed, hooked=False)


def _run(plan: _Plan, seed: int, *, hooked: bool) -> ForwardPass:
    device = plan.device
    warm, measured = _Looked(), _Looked(hooked=hooked)
    with recording(device) as session:
        # With an odd seed once more: what a call does may depend on how many went before.
        for own_seed in (*([seed + 2000] if seed % 2 else []), seed + 1000):
            warm = _Looked(hooked=hooked)
            _look(plan, own_seed, session, warm)
        _look(plan, seed, session, measured)
    everything = session.trace() if device is None else session.trace_of_all()
    seen = session.trace()
    begin, returned, *_, end = measured.marks
    passed = seen.between(begin, returned)
    before = seen.between(warm.marks[0], warm.marks[1])
    blocks, elsewhere = _blocks(everything.between(begin, end), measured, device)
    last = seen.between(begin, measured.marks[4])
    ran = {span.name for span in passed.operators}
    return ForwardPass(
        trace=passed,
        held=blocks,
        graph=Graph(
            saved=tuple(
                Saved(block.bytes, block.module, block.node, block.operator)
                for block in blocks
                if block.holder == "saved"
            ),
            scalar_bytes=sum(block.bytes for block in blocks if block.holder == "scalar"),
            nodes=measured.nodes,
            leaves=measured.leaves,
            elsewhere=elsewhere,
        ),
        stays=last.retained_bytes(),
        changes=measured.changes,
        defect=measured.defect,
        lazy=measured.lazy,
        used_random=measured.used_random and bool(ran & _HOST_READS),
        signature=_signature(passed),
        warm_signature=_signature(before),
        allocated=_allocated(passed),
        warm_allocated=_allocated(before),
    )


def _look(plan: _Plan, seed: int, session: Recording, looked: _Looked) -> None:
    """Run the pass once, and take it apart step by step, with a mark after each."""
    state, device = plan.state, plan.device

    def tell(number: int, tensor: torch.Tensor) -> None:
        storages = tuple(storages_in(tensor))
        looked.sizes[number] = (
            sum(size for _, size in storages),
            device is None or device.holds(tensor),
        )
        for address, _ in storages:
            note(f"{_SAVED} {address} {number}")

    saved = SavedTensors(tell)
    hooks: AbstractContextManager[object] = saved.hooks() if looked.hooked else nullcontext()
    state.restore()
    seed_everything(seed)
    before, versions = random_fingerprint(), state.versions()
    gc.collect()
    looked.marks.append(session.mark())
    with followed(plan.model.module), hooks:
        result = plan.forward()
    looked.marks.append(session.mark())
    looked.used_random = random_fingerprint() != before
    looked.held = saved.held()
    _look_at(result, looked)
    outputs = list(raw_storages_in(result))
    looked.defect = defect_of(result)
    lazy = [value for _, value in objects_in({"": result}) if isinstance(value, _LAZY)]
    looked.lazy = type(lazy[0]).__name__ if lazy else ""
    lazy.clear()
    del result
    looked.marks.append(session.mark())
    outputs.clear()
    looked.marks.append(session.mark())
    gc.collect()
    looked.marks.append(session.mark())
    looked.changes = state.changes(versions)
    for _, value in reached_by(plan.model):
        for address, _ in storages_of(value) if isinstance(value, torch.Tensor) else ():
            note(f"{_REACHED} {address} 0")
    session.mark()
    looked.marks.append(session.marks - 1)
    state.restore()


def _look_at(result: object, looked: _Looked) -> None:
    """Look at the graph behind a result; nothing of it is held when this returns."""
    for address, _ in storages_in(result):
        note(f"{_OUTPUT} {address} 0")
    walked = walk(result)
    looked.nodes = walked.nodes
    looked.leaves = walked.leaves
    looked.is_foreign = looked.hooked and walked.hooked > len(looked.held)
    for tensor, node in walked.bare:
        is_number = looked.hooked or (tensor.dim() == 0 and tensor.element_size() == _SCALAR_BYTES)
        for address, _ in storages_in(tensor):
            note(f"{_BARE} {address} {'' if is_number else node}")
    for leaf in walked.leaves:  # made in the call: a graph holds the tensor that it would give a gradient
        for address, _ in storages_in(leaf):
            note(f"{_BARE} {address} AccumulateGrad")
    if looked.hooked and not looked.is_foreign:
        looked.names = holders(result)


def defect_of(output: object) -> str:
    """Return what in an output is no number: "NaN", "infinity", or ""."""
    with torch.no_grad():
        for tensor in tensors_in(output):
            if not tensor.is_floating_point() or tensor.device.type == "meta":
                continue
            try:
                if not bool(tensor.isfinite().all()):
                    return "NaN" if bool(tensor.isnan().any()) else "infinity"
            except (RuntimeError, NotImplementedError):
                continue  # a layout that torch does not look into
    return ""


@dataclass(slots=True)
class _Block:
    bytes: int
    time: float  # microseconds on the trace's clock, as the other times
    address: int
    saved: list[tuple[int, float]] = field(default_factory=list)  # numbers of saved tensors, and when
    is_output: bool = False
    bare: str | None = None  # a node's name, or "" for a Python number
    is_reached: bool = False
    freed: float | None = None


def _blocks(seen: Trace, looked: _Looked, device: Device | None) -> tuple[tuple[Held, ...], int]:
    """Return the blocks that a run left behind, and the bytes that its graph holds in other memory."""
    begin, returned, graph_gone, output_gone, *_ = seen.marks
    operators, modules = Nesting(seen.operators), Nesting(seen.modules)
    held: list[Held] = []
    elsewhere = 0
    for block in _replayed(seen):
        if not begin <= block.time <= returned or (block.freed is not None and block.freed <= returned):
            continue
        numbers = [(number, time) for number, time in block.saved if number in looked.held]
        time = numbers[0][1] if numbers else block.time
        outermost = operators.outermost(block.time)
        holder = _holder(block, looked, graph_gone, output_gone, outermost)
        size = block.bytes
        if numbers and device is not None:
            size, is_here = looked.sizes[numbers[0][0]]
            if not is_here:
                elsewhere += size if holder == "saved" else 0
                continue
        held.append(
            Held(
                bytes=size,
                holder=holder,
                module=modules.innermost(time),
                operator=(operators.innermost(time) if numbers else outermost) or _maker(block.bytes),
                node=looked.names.get(block.address, block.bare or "") if holder == "saved" else "",
                stays=block.freed is None,
                in_cycle=block.freed is not None and block.freed > output_gone,
            )
        )
    return tuple(sorted(held, key=lambda each: -each.bytes)), elsewhere


def _holder(block: _Block, looked: _Looked, graph_gone: float, output_gone: float, operator: str) -> Holder:
    """Return what holds a block, from what was noted of it and when it went."""
    rules: tuple[tuple[bool, Holder], ...] = (
        (block.is_output, "output"),
        (block.is_reached, "model"),  # it would be there without a graph
        (any(number in looked.held for number, _ in block.saved) or bool(block.bare), "saved"),
        (block.bare is not None, "scalar"),
        (block.freed is None, "model"),
        (block.freed is not None and block.freed > output_gone, "cycle"),
        (block.freed is not None and block.freed > graph_gone, "output"),
        # What a hook of the model's own packed is saved, too: such as copies in another dtype.
        (looked.is_foreign and bool(operator), "saved"),
    )
    return next((holder for applies, holder in rules if applies), "graph")


def _maker(size: int) -> str:
    """Return what made a block outside every operator, where its size tells."""
    # A checkpointed region keeps the generator's state, which no hook is told of, to draw the same again.
    return "torch.get_rng_state" if size == torch.get_rng_state().numel() else ""


def _replayed(seen: Trace) -> list[_Block]:
    """Return every block that was allocated, with what was noted of it and when it was freed."""
    blocks: list[_Block] = []
    live: dict[int, _Block] = {}
    # Sorting is stable: of two events of one moment, the allocation comes before the note.
    events: list[Allocation | Span] = [*seen.allocations, *seen.notes]
    for event in sorted(events, key=lambda each: each.start if isinstance(each, Span) else each.time):
        if isinstance(event, Allocation):
            if event.bytes > 0:
                live[event.address] = _Block(event.bytes, event.time, event.address)
                blocks.append(live[event.address])
            elif event.address in live:
                live.pop(event.address).freed = event.time
            continue
        kind, address, *rest = event.name.split(" ", 2)
        block = live.get(int(address))
        if block is None:  # it was there before the pass
            continue
        if kind == _SAVED:
            block.saved.append((int(rest[0]), event.start))
        elif kind == _OUTPUT:
            block.is_output = True
        elif kind == _BARE:
            block.bare = rest[0] if rest else ""
        elif kind == _REACHED:
            block.is_reached = True
    return blocks


def _signature(seen: Trace) -> tuple[object, ...]:
    """Return what two runs of the same work have in common: operators, modules, sizes."""
    return (
        tuple(span.name for span in seen.operators),
        tuple(span.name for span in seen.modules),
        tuple(sorted(event.bytes for event in seen.allocations if event.bytes > 0)),
    )


def _allocated(seen: Trace) -> dict[str, int]:
    """Return the bytes that were allocated while each module ran, by the innermost module's path."""
    modules = Nesting(seen.modules)
    sizes: dict[str, int] = {span.name: 0 for span in seen.modules}
    for event in seen.allocations:
        if event.bytes > 0:
            path = modules.innermost(event.time)
            sizes[path] = sizes.get(path, 0) + event.bytes
    return sizes
