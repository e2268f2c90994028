"""The exact passes over one step, each run when a probe first asks for it and kept for the next."""

from dataclasses import dataclass
from functools import cached_property

import torch

from harness.measure.ledger import Graph, record_graph, unaccounted_blocks
from harness.measure.trace import Trace, trace
from harness.record.schema import Block, Books
from harness.workload.step import Step


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
        if len(self.step.parts) == 1:
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
