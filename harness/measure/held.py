"""The blocks that a forward pass leaves behind, and what holds each.

A pass is taken apart after it has returned, with a mark after each step: its graph is dropped while its
output is held, then the output, then garbage is collected. What was noted of a block while the trace ran, and
at which step it was freed, says what held it.
"""

import weakref
from dataclasses import dataclass, field
from typing import Literal

import torch

from harness.measure.devices.protocol import Device
from harness.measure.trace import Allocation, Nesting, Span, Trace, note

Holder = Literal["output", "saved", "scalar", "graph", "model", "cycle"]

_NUMBERS = frozenset({8, 16})  # bytes of a Python number as a tensor, real or complex
SAVED, OUTPUT, BARE, REACHED = "saved", "output", "bare", "reached"


def note_block(kind: str, address: int, detail: object = "") -> None:
    """Write into the trace what is known, at this moment, of the block at an address.

    Args:
        kind: saved by a hook's number, in the output, saved bare by a node, or reached from the model.
        address: of a storage.
        detail: the number, or the node's name.
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
    used_random: bool = False
    used_random_outside: bool = False  # of torch: the generators of Python and numpy


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


def held_blocks(seen: Trace, look: Look, device: Device | None) -> tuple[tuple[Held, ...], int]:
    """Return the blocks that a run left behind, and the bytes that its graph holds in other memory."""
    begin, returned, graph_gone, output_gone, *_ = seen.marks
    operators, modules = Nesting(seen.operators), Nesting(seen.modules)
    held: list[Held] = []
    elsewhere = 0
    for block in _replayed(seen):
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
                node=look.names.get(block.address, block.bare or "") if holder == "saved" else "",
                stays=block.freed is None,
                in_cycle=block.freed is not None and block.freed > output_gone,
            )
        )
    return tuple(sorted(held, key=lambda each: -each.bytes)), elsewhere


def _holder(block: _Block, look: Look, graph_gone: float, output_gone: float, operator: str) -> Holder:
    """Return what holds a block, from what was noted of it and when it went."""
    rules: tuple[tuple[bool, Holder], ...] = (
        (block.is_output, "output"),
        (block.is_reached, "model"),  # it would be there without a graph
        (any(number in look.held for number, _ in block.saved) or bool(block.bare), "saved"),
        (block.bare is not None, "scalar"),
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
        if kind == SAVED:
            block.saved.append((int(rest[0]), event.start))
        elif kind == OUTPUT:
            block.is_output = True
        elif kind == BARE:
            block.bare = rest[0] if rest else ""
        elif kind == REACHED:
            block.is_reached = True
    return blocks
