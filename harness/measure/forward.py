"""One forward pass under the profiler: every block that it leaves behind, and what holds it.

The pass runs, its output is held, its graph is dropped, then the output, then what only the garbage
collector frees. At which of these steps a block goes says what held it. What was there before the pass is
in none of this: a block counts because the traced pass allocated it.
"""

import gc
import types
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from harness.errors import HarnessError
from harness.measure.callers import outer_calls_of
from harness.measure.devices.protocol import Device
from harness.measure.graph import Graph, Saved, SavedTensors, holders, walk
from harness.measure.held import (
    BARE,
    NEEDED,
    OUTPUT,
    REACHED,
    SAVED,
    Held,
    Holder,
    Look,
    note_block,
    remains_of,
    without_graph,
)
from harness.measure.randomness import draws_random
from harness.measure.recording import Recording, followed, recording
from harness.measure.trace import Nesting, Trace
from harness.record.measured import CodeLine
from harness.workload.generators import random_fingerprint, seed_everything
from harness.workload.model import Model
from harness.workload.state import ModelState, reached_by
from harness.workload.tensors import objects_in, raw_storages_in, storages_in, storages_of, tensors_in

_SCALAR_BYTES = 8
_LAZY = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, map, filter, zip)
_HOST_READS = frozenset({"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero"})


class Signature(NamedTuple):
    """What two runs of the same work have in common."""

    operators: tuple[str, ...]  # in their order
    modules: tuple[str, ...]  # that ran, where they were followed
    sizes: tuple[int, ...]  # bytes of what was allocated, in order of size

    def calls(self) -> Counter[str]:
        """Return how often each operator was called."""
        return Counter(self.operators)

    def without_modules(self) -> "Signature":
        """Return what to compare with a pass whose modules were not followed."""
        return self._replace(modules=())

    def without_sizes(self) -> "Signature":
        """Return what to compare with a pass that records more, or less."""
        return self._replace(sizes=())


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """What one forward pass did.

    Attributes:
        trace: of the pass itself, its output held to the end.
        held: the blocks it left behind.
        graph: what it recorded.
        unseen: bytes of its output and graph that it did not allocate in its own thread, and that the model
            does not reach.
        stays: bytes that are still there when all that it returned is gone, less what it freed.
        changes: paths of the model's state and inputs that it changed.
        built: those of modules and parameters that it made.
        trains: it ran a backward pass itself, which left gradients.
        defect: what in its output is no number: "NaN", "infinity", or "".
        lazy: the class of an iterator in its output that has run nothing yet; "" where there is none.
        may_follow_random: it drew random numbers and read a value back after that, as random depth does.
        draws_elsewhere: it drew from a generator that is not torch's: Python's or numpy's.
        outer: the lines that call the model's modules, and how many of these calls recorded a graph.
        signature: what a repeat of the same pass has in common with it.
        warm_signature: the same of the pass before it; where that was another, its own.
        allocated: bytes allocated while each module ran, by the path of the innermost one.
        warm_allocated: the same of the pass before it.
    """

    trace: Trace
    held: tuple[Held, ...]
    graph: Graph
    unseen: int
    stays: int
    changes: tuple[str, ...]
    built: tuple[str, ...]
    trains: bool
    defect: str
    lazy: str
    may_follow_random: bool
    draws_elsewhere: bool
    outer: tuple[CodeLine, ...]
    signature: Signature
    warm_signature: Signature
    allocated: dict[str, int]
    warm_allocated: dict[str, int]

    @property
    def is_repeatable(self) -> bool:
        """Whether the pass before it, from the same state and other random numbers, did the same."""
        return self.signature == self.warm_signature

    def beside(self, quiet: "ForwardPass") -> "ForwardPass":
        """Return this pass, less what stays without a graph too, by the same pass under `no_grad`."""
        held = without_graph(self.held, quiet.held)
        return replace(self, held=held, graph=replace(self.graph, saved=_saved(held)))

    def bytes_held_by(self, *which: Holder) -> int:
        """Return the bytes that some holders hold."""
        return sum(block.bytes for block in self.held if block.holder in which)


@dataclass(frozen=True, slots=True)
class ForwardPlan:
    """What is run, on what, from which state, and whose allocator counts; None for the CPU's."""

    forward: Callable[[], object]
    model: Model
    state: ModelState
    device: Device | None = None


def run_forward(
    plan: ForwardPlan, seed: int, earlier: Callable[[ForwardPass], bool] | None = None
) -> ForwardPass:
    """Run a forward pass twice from one state, with other random numbers, and look at the second time.

    Each time begins in the state; what the last one leaves is the caller's to put back.

    Args:
        plan: what is run.
        seed: of the random numbers of the second time.
        earlier: where the model is warm, tells of a pass whether one before it, with other random numbers,
            did the same. Then it is run once; where the two are not alike, twice all the same.

    Raises:
        Exception: whatever the model raises.
    """
    try:
        return _run_checked(plan, seed, earlier, hooked=True)
    except HarnessError:
        raise
    except Exception:  # noqa: BLE001 (some torch functions refuse saved-tensor hooks; if the model raises, it does again)
        plan.state.restore()
        return _run_checked(plan, seed, earlier, hooked=False)


def _run_checked(
    plan: ForwardPlan, seed: int, earlier: Callable[[ForwardPass], bool] | None, *, hooked: bool
) -> ForwardPass:
    if earlier is not None:
        passed = _run(plan, seed, hooked=hooked, warm=False)
        if earlier(passed):
            return passed
    return _run(plan, seed, hooked=hooked, warm=True)


def _run(plan: ForwardPlan, seed: int, *, hooked: bool, warm: bool) -> ForwardPass:
    device = plan.device
    before, measured = Look(), Look(hooked=hooked)
    # With an odd seed once more: what a call does may depend on how many went before.
    warming = (*([seed + 2000] if seed % 2 else []), seed + 1000) if warm else ()
    with recording(device) as session:
        for own_seed in warming:
            before = Look(hooked=hooked)
            _look(plan, own_seed, session, before)
        _look(plan, seed, session, measured)
    everything = session.trace() if device is None else session.trace_of_all()
    seen = session.trace()
    begin, returned, *_, end = measured.marks
    passed = seen.between(begin, returned)
    earlier = seen.between(before.marks[0], before.marks[1]) if warm else passed
    left = remains_of(everything.between(begin, end), measured, device)
    last = seen.between(begin, measured.marks[4])
    return ForwardPass(
        trace=passed,
        held=left.blocks,
        graph=Graph(
            saved=_saved(left.blocks),
            scalar_bytes=sum(block.bytes for block in left.blocks if block.holder == "scalar"),
            nodes=measured.nodes,
            leaves=tuple(leaf for each in measured.leaves if (leaf := each()) is not None),
            elsewhere=left.elsewhere,
        ),
        unseen=left.unseen,
        stays=last.retained_bytes(),
        changes=measured.changes,
        built=measured.built,
        trains=measured.trains,
        defect=measured.defect,
        lazy=measured.lazy,
        may_follow_random=_may_follow_random(passed, measured),
        draws_elsewhere=measured.used_random_outside,
        outer=measured.outer,
        signature=signature_of(passed),
        warm_signature=signature_of(earlier),
        allocated=_allocated(passed),
        warm_allocated=_allocated(earlier),
    )


def _saved(blocks: Sequence[Held]) -> tuple[Saved, ...]:
    return tuple(
        Saved(block.bytes, block.module, block.node, block.operator)
        for block in blocks
        if block.holder == "saved"
    )


def _may_follow_random(passed: Trace, look: Look) -> bool:
    """Return whether a value that a pass read back may depend on random numbers that it drew.

    One that was read before the first operator that draws does not, such as whether a mask masks anything.
    Where a draw is in no operator that says so, any that was read may. A number that was drawn outside of
    torch is on the host already.
    """
    if look.used_random_outside:
        return True
    reads = [span.start for span in passed.operators if span.name in _HOST_READS]
    if not look.used_random or not reads:
        return False
    draws = [span.start for span in passed.operators if _is_drawing(span.name)]
    return not draws or max(reads) > min(draws)


def _is_drawing(operator: str) -> bool:
    """Return whether an operator of that name draws random numbers.

    >>> _is_drawing("aten::bernoulli_"), _is_drawing("aten::add")
    (True, False)
    """
    space, _, name = operator.partition("::")
    packet = getattr(getattr(torch.ops, space), name, None)
    return packet is not None and any(draws_random(getattr(packet, each)) for each in packet.overloads())


def _look(plan: ForwardPlan, seed: int, session: Recording, look: Look) -> None:
    """Run the pass once, and take it apart step by step, with a mark after each."""
    state, device = plan.state, plan.device

    def tell(number: int, tensor: torch.Tensor) -> None:
        storages = tuple(storages_in(tensor))
        look.sizes[number] = (
            sum(size for _, size in storages),
            device is None or device.holds(tensor),
        )
        for address, _ in storages:
            note_block(SAVED, address, number)

    saved = SavedTensors(tell)
    hooks: AbstractContextManager[object] = saved.hooks() if look.hooked else nullcontext()
    state.restore()
    seed_everything(seed)
    before, versions = random_fingerprint(), state.versions()
    gc.collect()
    look.marks.append(session.mark())
    module = plan.model.module
    with followed(module), outer_calls_of(module) as outer, hooks:
        result = plan.forward()
    look.marks.append(session.mark())
    look.outer = outer.lines()
    after = random_fingerprint()
    look.used_random, look.used_random_outside = after != before, after[1:] != before[1:]
    look.held = saved.held()
    _look_at(result, look)
    outputs = list(raw_storages_in(result))
    look.defect = defect_of(result)
    lazy = [value for _, value in objects_in({"": result}) if isinstance(value, _LAZY)]
    look.lazy = type(lazy[0]).__name__ if lazy else ""
    lazy.clear()
    del result
    look.marks.append(session.mark())
    outputs.clear()
    look.marks.append(session.mark())
    gc.collect()
    look.marks.append(session.mark())
    look.changes, look.built, look.trains = state.changes(versions), state.built(), state.has_gradients()
    for _, value in reached_by(plan.model):
        for address, _ in storages_of(value) if isinstance(value, torch.Tensor) else ():
            note_block(REACHED, address)
    look.marks.append(session.mark())


def _look_at(result: object, look: Look) -> None:
    """Look at the graph behind a result; nothing of it is held when this returns."""
    walked = walk(result)
    # Of what hooks are not told, all but numbers was saved in another thread, where no hooks are.
    unhooked = [tensor for tensor, _ in walked.bare if look.hooked and tensor.dim()]
    for address, _ in storages_in(result):
        note_block(OUTPUT, address)
    for address, size in (*storages_in(result), *storages_in(unhooked)):
        note_block(NEEDED, address, size)
    look.nodes = walked.nodes
    look.leaves = tuple(weakref.ref(leaf) for leaf in walked.leaves)
    look.is_foreign = look.hooked and walked.hooked > len(look.held)
    for tensor, node in walked.bare:
        is_number = look.hooked or (tensor.dim() == 0 and tensor.element_size() == _SCALAR_BYTES)
        for address, _ in storages_in(tensor):
            note_block(BARE, address, "" if is_number else node)
    for leaf in walked.leaves:  # made in the call: a graph holds the tensor that it would give a gradient
        for address, _ in storages_in(leaf):
            note_block(BARE, address, "AccumulateGrad")
    if look.hooked and not look.is_foreign:
        look.names = holders(result)


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


def signature_of(seen: Trace) -> Signature:
    """Return what a run has in common with others of the same work."""
    return Signature(
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
