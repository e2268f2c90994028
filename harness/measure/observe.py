"""The exact passes over one step, each run when a probe first asks for it and kept for the next."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import torch
from torch import nn

from harness.errors import HarnessError
from harness.measure.device import Device, device_of
from harness.measure.ledger import Graph, record_graph, unaccounted_blocks
from harness.measure.statistics import Statistics, statistics
from harness.measure.trace import Trace, trace
from harness.record.measured import Block, Books
from harness.workload.model import Model
from harness.workload.step import Part, Step
from harness.workload.tensors import bytes_of, tensors_in


class Levels(Protocol):
    """What both a trace of the CPU's allocator and the statistics of a device's can say."""

    def peak_bytes(self) -> int:
        """Return the highest level above the start."""

    def retained_bytes(self) -> int:
        """Return the level at the end, relative to the start."""


def defect_of(output: object) -> str:
    """Return what in an output is no number: "NaN", "infinity", or ""."""
    with torch.no_grad():
        for tensor in tensors_in(output):
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return "NaN" if bool(tensor.isnan().any()) else "infinity"
    return ""


def device_of_model(model: Model) -> Device | None:
    """Return the device on which a model's parameters and inputs lie; None for the CPU."""
    return next((device_of(str(tensor.device)) for tensor in model.lasting()), None)


@dataclass(frozen=True)
class Observation:
    """What can be seen of a step without a clock.

    Attributes:
        step: what is run.
        given: the device whose allocator counts; by default the one that the step's model lies on.
        warm: the step has run before, as when it was timed, so that fewer passes do.
    """

    step: Step
    given: Device | None = None
    warm: bool = False

    @cached_property
    def device(self) -> Device | None:
        """The device whose allocator counts; None for the CPU, whose allocations are in the trace."""
        return self.given or device_of_model(self.step.model)

    @cached_property
    def forward(self) -> Trace:
        """The forward pass by itself, with what it returns held to the end."""
        return self._forward_in_step() or trace([self.step.forward], device=self.device, warm=self.warm)

    def _forward_in_step(self) -> Trace | None:
        """Return the pass as a part of the step ran it; None where none did, or on top of older state."""
        if self.device is not None or self._is_forward_alone:
            return None
        for index, part in enumerate(self.step.parts):
            if part.keeps_forward or part.call == self.step.forward:
                seen = self.whole.stretch(index)
                # A module that keeps something for its next pass finds another's here.
                return None if seen.frees_older_blocks() else seen
        return None

    @cached_property
    def forward_levels(self) -> Levels:
        """The bytes of the same pass, from the device's allocator where there is one."""
        return self.forward if self.device is None else statistics([self.step.forward], self.device)

    @cached_property
    def forward_no_grad(self) -> Levels:
        """The bytes of the same forward pass under `no_grad`."""
        calls = [torch.no_grad()(self.step.forward)]
        # Of this pass only what stays is read, to which it does not matter whether it is the first.
        return trace(calls, warm=self.warm) if self.device is None else statistics(calls, self.device)

    @cached_property
    def whole(self) -> Trace:
        """All parts, with a mark after each."""
        if self._is_forward_alone:
            return self.forward
        return self._whole_and_gradients[0]

    @property
    def gradient_bytes(self) -> int | None:
        """Bytes of the parameters' gradients after the backward part; None where there is no such part."""
        if all(part.name != "backward" for part in self.step.parts):
            return None
        return self._whole_and_gradients[1]

    @cached_property
    def _whole_and_gradients(self) -> tuple[Trace, int]:
        """The trace of all parts, and the gradients that the backward part left behind in it."""
        found = 0

        def looking_at_gradients(part: Part) -> object:
            nonlocal found
            left = part.call()
            if part.name == "backward":
                gradients = (parameter.grad for parameter in self.step.model.module.parameters())
                found = sum(bytes_of(gradient) for gradient in gradients if gradient is not None)
            return left

        calls = [partial(looking_at_gradients, part) for part in self.step.parts]
        return trace(calls, device=self.device, warm=self.warm), found

    @cached_property
    def statistics(self) -> Statistics | None:
        """What the device's allocator says of all parts; None on the CPU."""
        if self.device is None:
            return None
        return statistics([part.call for part in self.step.parts], self.device)

    @property
    def levels(self) -> Levels:
        """The bytes of all parts, from the device's allocator where there is one."""
        return self.whole if self.statistics is None else self.statistics

    def part_levels(self, name: str) -> Levels | None:
        """Return the bytes of one part, or None where the step has no such part."""
        for index, part in enumerate(self.step.parts):
            if part.name == name:
                return (self.whole if self.statistics is None else self.statistics).stretch(index)
        return None

    @property
    def graph(self) -> Graph:
        """What the forward pass recorded."""
        return self._graph_and_defect[0]

    @property
    def defect(self) -> str:
        """What in the model's output is no number: "NaN", "infinity", or ""."""
        return self._graph_and_defect[1]

    @cached_property
    def _graph_and_defect(self) -> tuple[Graph, str]:
        model = self.step.model
        found: list[str] = []

        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            found.append(defect_of(output))

        handle = model.module.register_forward_hook(look)
        try:
            if self.device is None:
                graph = record_graph(self.step.forward, model.module, model.inputs)
            else:
                graph = record_graph(self.step.forward, model.module, model.inputs, self.device.holds)
        finally:
            handle.remove()
        if not found:  # a forward pass that does not run the module itself, or a callable without one
            found.append(defect_of(self.step.forward()))
        return graph, next(filter(None, found), "")

    @cached_property
    def books(self) -> Books:
        """The identity between what is held and what was saved."""
        return Books(
            retained=self.forward_levels.retained_bytes(),
            retained_no_grad=self.forward_no_grad.retained_bytes(),
            saved=sum(saved.bytes for saved in self.graph.saved),
            scalars=self.graph.scalar_bytes,
        )

    @cached_property
    def unaccounted(self) -> tuple[Block, ...]:
        """The blocks that the books miss; looked for only where they do not balance."""
        if self.books.unaccounted == 0:
            return ()
        model = self.step.model
        return unaccounted_blocks(self.step.forward, model.module, model.inputs, self.device)

    def part(self, name: str) -> Trace | None:
        """Return what one part did, or None where the step has no such part."""
        for index, part in enumerate(self.step.parts):
            if part.name == name:
                return self.whole.stretch(index)
        return None

    @property
    def _is_forward_alone(self) -> bool:
        return [part.call for part in self.step.parts] == [self.step.forward]


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
        peak_bytes=seen.levels.peak_bytes(),
        retained_bytes=seen.books.retained,
        saved_bytes=seen.books.saved,
        scalar_bytes=seen.books.scalars,
        unaccounted_bytes=seen.books.unaccounted,
        unaccounted=seen.unaccounted,
        nodes=seen.graph.nodes,
        operators=len(seen.whole.operators),
    )
