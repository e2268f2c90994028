"""The exact passes over one step, each run when a probe first asks for it and kept for the next."""

from dataclasses import dataclass
from functools import cached_property

import torch

from harness.errors import HarnessError
from harness.measure.ledger import Graph, record_graph, unaccounted_blocks
from harness.measure.trace import Trace, trace
from harness.record.schema import Block, Books
from harness.workload.model import Model
from harness.workload.step import Part, Step


@dataclass(frozen=True)
class Observation:
    """What can be seen of a step without a clock."""

    step: Step

    @cached_property
    def forward(self) -> Trace:
        """The forward pass by itself, with what it returns held to the end."""
        return trace([self.step.forward])

    @cached_property
    def forward_no_grad(self) -> Trace:
        """The same forward pass under `no_grad`."""
        return trace([torch.no_grad()(self.step.forward)])

    @cached_property
    def whole(self) -> Trace:
        """All parts, with a mark after each."""
        if [part.call for part in self.step.parts] == [self.step.forward]:
            return self.forward
        return trace([part.call for part in self.step.parts])

    @cached_property
    def graph(self) -> Graph:
        """What the forward pass recorded."""
        return record_graph(self.step.forward, self.step.model.module, self.step.model.inputs)

    @cached_property
    def books(self) -> Books:
        """The identity between what is held and what was saved."""
        return Books(
            retained=self.forward.retained_bytes(),
            retained_no_grad=self.forward_no_grad.retained_bytes(),
            saved=sum(saved.bytes for saved in self.graph.saved),
            scalars=self.graph.scalar_bytes,
        )

    @cached_property
    def unaccounted(self) -> tuple[Block, ...]:
        """The blocks that the books miss; looked for only where they do not balance."""
        if self.books.unaccounted == 0:
            return ()
        return unaccounted_blocks(self.step.forward, self.step.model.module, self.step.model.inputs)

    def part(self, name: str) -> Trace | None:
        """Return what one part did, or None where the step has no such part."""
        for index, part in enumerate(self.step.parts):
            if part.name == name:
                return self.whole.stretch(index)
        return None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one call of a step does to memory, in bytes, and to the graph, in counts.

    Attributes:
        peak_bytes: highest allocated bytes above the start of the step.
        retained_bytes: held when the forward pass has returned, its output included.
        saved_bytes: unique storages saved for backward.
        scalar_bytes: wrapped Python numbers that the graph holds.
        unaccounted_bytes: what the books miss; 0 when they balance.
        unaccounted: the blocks behind it, largest first.
        nodes: autograd nodes behind what the forward pass returns.
        operators: operators dispatched in the step.
    """

    peak_bytes: int
    retained_bytes: int
    saved_bytes: int
    scalar_bytes: int
    unaccounted_bytes: int
    unaccounted: tuple[Block, ...]
    nodes: int
    operators: int


def ledger(subject: Step | Model) -> Ledger:
    """Return the exact ledger of one call of a step, or of a model's forward pass.

    The call is made several times, with and without recording; nothing is timed.

    Raises:
        HarnessError: neither a `Step` nor a `Model`.
    """
    if isinstance(subject, Model):
        subject = Step((Part("forward", subject.__call__),), subject, subject.__call__)
    if not isinstance(subject, Step):
        raise HarnessError(f"{type(subject).__name__} keeps no books; give a Model(module, inputs) or a Step")
    seen = Observation(subject)
    return Ledger(
        peak_bytes=seen.whole.peak_bytes(),
        retained_bytes=seen.books.retained,
        saved_bytes=seen.books.saved,
        scalar_bytes=seen.books.scalars,
        unaccounted_bytes=seen.books.unaccounted,
        unaccounted=seen.unaccounted,
        nodes=seen.graph.nodes,
        operators=len(seen.whole.operators),
    )
