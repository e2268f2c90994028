"""The blocks that a forward pass leaves behind, and what holds each.

A pass is taken apart after it has returned, with a mark after each step: its graph is dropped while its
output is held, then the output, then garbage is collected. What was noted of a block while the trace ran, and
at which step it was freed, says what held it.
"""

import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from harness.measure.devices.protocol import Device
from harness.measure.recording import note
from harness.measure.trace import Allocation, Nesting, Span, Trace
from harness.record.measured import CodeLine

Holder = Literal["output", "saved", "scalar", "graph", "model", "cycle"]

_NUMBERS = frozenset({8, 16})  # bytes of a Python number as a tensor, real or complex
SAVED, OUTPUT, BARE, REACHED, NEEDED = "saved", "output", "bare", "reached", "needed"


def note_block(kind: str, address: int, detail: object = "") -> None:
    """Write into the trace what is known, at this moment, of the block at an address.

    Args:
        kind: saved by a hook's number, in the output, saved bare by a node, reached from the model, or needed
            by the output or its graph, whoever allocated it.
        address: of a storage.
        detail: the number, or the node's name, or the bytes of what is needed.
    """
    note(f"{kind} {address} {detail}")


@dataclass(frozen=True, slots=True)
class Held:
    """A block that a pass allocated and that is there when it has returned.

    Attributes:
        bytes: its size.
        holder: the output; the graph, which saved it ("saved") or has it besides ("graph"), or as a Python
            number ("scalar"); the model or its inputs; or a cycle that the garbage collector frees.
        module: path of the module that saved it, or else allocated it; "" for the model itself.
        allocated_in: path of the module that allocated it.
        operator: the operator that did so; "" outside every operator.
        node: of what is saved, the autograd node that holds it; "" where none can be named.
        stays: it is still there when output and graph are dropped and garbage is collected.
        in_cycle: it goes only when garbage is collected.
    """

    bytes: int
    holder: Holder
    module: str
    operator: str
    allocated_in: str = ""
    node: str = ""
    stays: bool = False
    in_cycle: bool = False

    @property
    def is_accounted(self) -> bool:
        """Whether the books know of it: as output, as saved, or as a Python number."""
        return self.holder in {"output", "saved", "scalar"}


@dataclass(slots=True)
class Look:
    """What is known of one run besides its trace."""

    marks: list[int] = field(default_factory=list)  # begin, return, graph gone, output gone, collected, end
    held: frozenset[int] = frozenset()  # numbers of saved tensors
    sizes: dict[int, tuple[int, bool]] = field(default_factory=dict)  # by number: bytes, in the books' memory
    nodes: int = 0
    leaves: tuple[weakref.ref[torch.Tensor], ...] = ()  # held here, one made in the call would outlive it
    is_foreign: bool = False  # the graph holds what hooks other than ours packed
    hooked: bool = False
    names: dict[int, str] = field(default_factory=dict)  # node by address
    defect: str = ""
    lazy: str = ""
    changes: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    trains: bool = False
    used_random: bool = False
    used_random_outside: bool = False  # of torch: the generators of Python and numpy
    outer: tuple[
        CodeLine, ...
    ] = ()  # the lines that call the model's modules, with how many graphs they made


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


@dataclass(frozen=True, slots=True)
class Remains:
    """What a run left behind.

    Attributes:
        blocks: that it allocated, the largest first.
        elsewhere: bytes that its graph holds in other memory.
        unseen: bytes that its output needs, that it did not allocate where it was traced, and that neither
            the model nor its inputs reach.
    """

    blocks: tuple[Held, ...]
    elsewhere: int
    unseen: int


def remains_of(seen: Trace, look: Look, device: Device | None) -> Remains:
    """Return what a run left behind, by its trace and what is known besides."""
    begin, returned, graph_gone, output_gone, *_ = seen.marks
    operators, modules = Nesting(seen.operators), Nesting(seen.modules)
    held: list[Held] = []
    elsewhere = 0
    blocks, unseen = _replayed(seen)
    for block in blocks:
        if not begin <= block.time <= returned or (block.freed is not None and block.freed <= returned):
            continue
        numbers = [(number, time) for number, time in block.saved if number in look.held]
        time = numbers[0][1] if numbers else block.time
        outermost = operators.outermost(block.time)
        holder = _holder(block, look, graph_gone, output_gone, outermost)
        size = block.bytes
        if numbers and device is not None:
            size, is_here = look.sizes[numbers[0][0]]
            if not is_here:
                elsewhere += size if holder == "saved" else 0
                continue
        held.append(
            Held(
                bytes=size,
                holder=holder,
                module=modules.innermost(time),
                operator=(operators.innermost(time) if numbers else outermost) or _maker(block.bytes),
                allocated_in=modules.innermost(block.time),
                node=look.names.get(block.address, block.bare or "") if holder == "saved" else "",
                stays=block.freed is None,
                in_cycle=block.freed is not None and block.freed > output_gone,
            )
        )
    return Remains(tuple(sorted(held, key=lambda each: -each.bytes)), elsewhere, unseen)


def without_graph(held: Sequence[Held], quiet: Sequence[Held]) -> tuple[Held, ...]:
    """Return the blocks of a pass, where those that stay without a graph too are no longer its graph's.

    Something out of the model's reach keeps them, such as a cache of a function that it calls: the same
    bytes of the same module stay when a pass that recorded no graph is dropped.

    Args:
        held: what a pass left behind.
        quiet: what the same pass left behind under `no_grad`.
    """
    kept = Counter(_alike(block) for block in quiet if block.stays)
    kept -= Counter(_alike(block) for block in held if block.stays and block.holder != "saved")
    settled: list[Held] = []
    for block in held:
        if block.stays and block.holder == "saved" and kept[_alike(block)] > 0:
            kept[_alike(block)] -= 1
            settled.append(replace(block, holder="model", node=""))
        else:
            settled.append(block)
    return tuple(settled)


def _alike(block: Held) -> tuple[int, str]:
    return block.bytes, block.allocated_in


def _holder(block: _Block, look: Look, graph_gone: float, output_gone: float, operator: str) -> Holder:
    """Return what holds a block, from what was noted of it and when it went."""
    rules: tuple[tuple[bool, Holder], ...] = (
        (block.is_output, "output"),
        (block.is_reached, "model"),  # it would be there without a graph
        (any(number in look.held for number, _ in block.saved) or bool(block.bare), "saved"),
        (block.bare is not None, "scalar"),
        # A hook of the model's own that packs a node's result as it is closes a circle that nothing frees.
        (look.is_foreign and bool(operator) and block.freed is None, "saved"),
        (block.freed is None, "model"),
        (block.freed is not None and block.freed > output_gone, "cycle"),
        (block.freed is not None and block.freed > graph_gone, "output"),
        # What a hook of the model's own packed is saved, too: such as copies in another dtype.
        (look.is_foreign and bool(operator), "saved"),
        # A number that an operation in place on a view saved; its node lies inside one that hides it.
        (not operator and block.bytes in _NUMBERS, "scalar"),
    )
    return next((holder for applies, holder in rules if applies), "graph")


def _maker(size: int) -> str:
    """Return what made a block outside every operator, where its size tells."""
    # A checkpointed region keeps the generator's state, which no hook is told of, to draw the same again.
    return "torch.get_rng_state" if size == torch.get_rng_state().numel() else ""


def _replayed(seen: Trace) -> tuple[list[_Block], int]:
    """Return every block that was allocated, with what was noted of it and when it was freed.

    Also how many bytes are needed and in no such block, nor reached from the model.
    """
    blocks: list[_Block] = []
    unseen: dict[int, int] = {}  # bytes by address
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
        detail = rest[0] if rest else ""
        block = live.get(int(address))
        if block is not None:
            _take_note(block, kind, detail, event.start)
        elif kind == NEEDED:  # it was there before the pass, or is of another thread
            unseen[int(address)] = int(detail)
        elif kind == REACHED:
            unseen.pop(int(address), None)
    return blocks, sum(unseen.values())


def _take_note(block: _Block, kind: str, detail: str, time: float) -> None:
    if kind == SAVED:
        block.saved.append((int(detail), time))
    elif kind == OUTPUT:
        block.is_output = True
    elif kind == BARE:
        block.bare = detail
    elif kind == REACHED:
        block.is_reached = True
