"""The exact passes over one step, each run when a probe first asks for it and kept for the next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch

from harness.measure.allocator_counters import AllocatorCounters, count_allocations
from harness.measure.devices.protocol import Device
from harness.measure.devices.registry import device_of
from harness.measure.forward import ForwardPass, ForwardPlan, Signature, run_forward
from harness.measure.garbage import collection_disabled, old_objects_set_aside
from harness.measure.graph import Graph
from harness.measure.randomness import reads_random_values
from harness.measure.recording import recording
from harness.measure.trace import Trace
from harness.measure.waits import Waits, placed_waits, readings_by_part, waits_on_device
from harness.measure.whole import Whole, WholePlan, has_foreign_state, run_whole
from harness.record.measured import Block, Books
from harness.workload.factory import first_line
from harness.workload.generators import random_state_kept, seed_everything
from harness.workload.model import Model, materialize
from harness.workload.state import ModelState
from harness.workload.step import Step


class Levels(Protocol):
    """What both a trace of the CPU's allocator and the statistics of a device's can say."""

    def peak_bytes(self) -> int:
        """Return the highest level above the start."""

    def retained_bytes(self) -> int:
        """Return the level at the end, relative to the start."""


def device_of_model(model: Model) -> Device | None:
    """Return the device on which a model's parameters and inputs lie; None for the CPU."""
    return next((device_of(str(tensor.device)) for tensor in model.lasting()), None)


@dataclass(frozen=True)
class Observation:
    """What can be seen of a step without a clock. Each pass begins in the state that the step was built in.

    Attributes:
        step: what is run.
        given: the device whose allocator counts; by default the one that the step's model lies on.
        seed: of the random numbers that the passes draw.
        reference: what was seen before of another step on the very same model. What it shows is not looked
            at again, as far as each of this step's passes bears that out.
        is_warm: the step's optimizer has the state that its first call would make.
    """

    step: Step
    given: Device | None = None
    seed: int = 0
    reference: "Observation | None" = None
    is_warm: bool = False

    def again(self, seed: int) -> "Observation":
        """Return an observation of the step by itself, from the same state, with other random numbers."""
        other = replace(self, seed=seed, reference=None)
        other.__dict__["state"] = self.state
        return other

    def settled(self) -> "Observation":
        """Return this, or where its passes were not alike, an observation of the same step by itself."""
        return self if self.reference is None or self.is_repeatable else self.again(self.seed)

    @cached_property
    def _before(self) -> "Observation | None":
        """The reference, where its passes were alike and its bytes are in the trace; None where not."""
        one = self.reference
        # A device pays with the first calls of each kind for what its libraries take once.
        return one if one is not None and self.device is None and one.is_repeatable else None

    @property
    def trained(self) -> frozenset[int]:
        """Which tensors that the model reached before the first pass needed a gradient, by identity."""
        return frozenset(id(values.tensor) for values in self.state.tensors if values.requires_grad)

    @cached_property
    def state(self) -> ModelState:
        """The state of the model and its inputs before the first pass."""
        materialize(self.step.model)
        return ModelState.of(self.step.model)

    @cached_property
    def device(self) -> Device | None:
        """The device whose allocator counts; None for the CPU, whose allocations are in the trace."""
        return self.given or device_of_model(self.step.model)

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        """Record gradients, whatever the process has set, and leave random numbers and state as they were."""
        state = self.state
        with old_objects_set_aside(), collection_disabled(), random_state_kept(), torch.enable_grad():
            try:
                yield
            finally:
                state.restore()

    @cached_property
    def forward_pass(self) -> ForwardPass:
        """The forward pass by itself, with what it returns held to the end."""
        if self._same_pass is not None:
            return self._same_pass
        passed = self._recorded
        if _leaves_saved(passed) and self.no_grad_pass:
            return passed.beside(self.no_grad_pass)
        return passed

    @cached_property
    def _recorded(self) -> ForwardPass:
        """The forward pass, with what stays without a graph too."""
        return self._same_pass or self._run_forward(self.step.forward, self._earlier)

    def _run_forward(
        self, forward: Callable[[], object], earlier: Callable[[ForwardPass], bool] | None
    ) -> ForwardPass:
        with self._fresh():
            plan = ForwardPlan(forward, self.step.model, self.state, self.device)
            return run_forward(plan, self.seed, earlier)

    @property
    def _earlier(self) -> Callable[[ForwardPass], bool] | None:
        """What tells of a forward pass whether an earlier one did the same; None where none is known."""
        part = self._forward_part
        if part is not None:
            return lambda passed: passed.signature.without_modules() == part.without_modules()
        before = self._before
        if before is None or not self.is_forward_alone:
            return None
        recorded = before.forward_pass.signature.without_sizes()
        return lambda passed: passed.signature.without_sizes() == recorded

    @property
    def _forward_part(self) -> Signature | None:
        """What the forward pass did as a part of the whole step; None where that was not looked at yet."""
        # With other seeds a step is looked at because its passes differ; a device is warmed for each pass.
        if self.seed or self.device is not None or "whole_pass" not in self.__dict__:
            return None
        return self.whole_pass.signatures.get(self._forward_name)

    @property
    def _forward_name(self) -> str:
        """The name of the part that is the forward pass; "" where there is none."""
        forward = self.step.forward
        names = [part.name for part in self.step.parts if part.keeps_forward or part.call == forward]
        return names[0] if names else ""

    @property
    def _same_pass(self) -> ForwardPass | None:
        """The reference's forward pass, where this step's is the same and did the same as a part."""
        before, part = self._before, self._forward_part
        if before is None or part is None:
            return None
        if (before.step.forward, before.trained) != (self.step.forward, self.trained):
            return None
        passed, again = before.forward_pass, self.part(self._forward_name)
        if again is None or part.without_modules() != passed.signature.without_modules():
            return None
        # An arm may run some of it without a graph, which shows in what is held alone.
        levels = [(each.peak_bytes(), each.retained_bytes()) for each in (again, passed.trace)]
        return passed if levels[0] == levels[1] else None

    @property
    def forward(self) -> Trace:
        """What the profiler saw of it."""
        return self.forward_pass.trace

    @cached_property
    def forward_levels(self) -> Levels:
        """The bytes of the same pass, from the device's allocator where there is one."""
        if self.device is None:
            return self.forward
        with self._fresh():
            return count_allocations([self.step.forward], self.device)

    @cached_property
    def _pass_or_reason(self) -> ForwardPass | str:
        """The same forward pass under `no_grad`, or what the model raises there."""
        before, recorded = self._before, self._recorded
        known = None if before is None or _leaves_saved(recorded) else before.no_grad_pass
        if known is not None and self._closes_with(known):
            return known
        quiet = torch.no_grad()(self.step.forward)
        earlier: Callable[[ForwardPass], bool] | None = None
        if self.device is None and not self.seed and recorded.is_repeatable:
            operators = recorded.signature.without_sizes()
            earlier = lambda passed: passed.signature.without_sizes() == operators  # noqa: E731 (one of two values)
        try:
            return self._run_forward(quiet, earlier)
        except Exception as error:  # noqa: BLE001 (whatever the model raises: some differentiate inside)
            return first_line(error)

    def _closes_with(self, quiet: ForwardPass) -> bool:
        """Return whether the books balance with a pass under `no_grad`: then it is one of this step's."""
        return self._books_with(quiet, quiet.trace).unaccounted == 0

    @property
    def no_grad_pass(self) -> ForwardPass | None:
        """The same forward pass under `no_grad`; None where the model fails there."""
        return None if isinstance(self._pass_or_reason, str) else self._pass_or_reason

    @property
    def no_grad_failure(self) -> str:
        """What the model raises under `no_grad`, in one line; "" where it runs."""
        return self._pass_or_reason if isinstance(self._pass_or_reason, str) else ""

    @cached_property
    def forward_no_grad(self) -> Levels | None:
        """The bytes of the same forward pass under `no_grad`; None where the model fails there."""
        quiet = self.no_grad_pass
        if quiet is None or self.device is None:
            return None if quiet is None else quiet.trace
        with self._fresh():
            return count_allocations([torch.no_grad()(self.step.forward)], self.device)

    @cached_property
    def growth(self) -> int:
        """Bytes that each further call leaves behind when all that it returned is dropped; 0 for no leak."""
        if self.forward_pass.stays <= 0:
            return 0
        calls = 3
        with self._fresh():
            self.state.restore()
            with recording(self.device) as session:
                session.mark()
                for _ in range(calls):
                    self.step.forward()
                    session.mark()
            seen = session.trace()
        return max(0, min(seen.stretch(index).retained_bytes() for index in range(1, calls)))

    @property
    def whole(self) -> Trace:
        """All parts, with a mark after each."""
        return self.forward if self.is_forward_alone else self.whole_pass.trace

    @cached_property
    def whole_pass(self) -> Whole:
        """All parts of the step; run once where the reference stands for the first time."""
        before, plan = self._before, WholePlan(self.step, self.state, self.device)
        with self._fresh():
            if before is not None and self.is_warm and not before.is_forward_alone:
                once = run_whole(plan, self.seed + 1000)
                if once.is_part_of(before.whole_pass) and not has_foreign_state(self.step, once):
                    return once
            if self.is_warm and self.step.optimizer is not None:
                self.step.optimizer.state.clear()  # it was handed over, and may hold more than is made here
            return run_whole(plan, self.seed + 1000, self.seed)

    @cached_property
    def waits(self) -> Waits:
        """How often the step reads values back, and at which lines."""
        by_part = self.readings_of_parts if self.device is None else ()
        if self.device is None and not any(by_part):
            return Waits(0)
        if self._before is not None and self._reads_as(self._before):
            return self._before.waits
        with self._fresh():
            self.state.restore()
            seed_everything(self.seed)
            if self.device is not None:
                return waits_on_device(self.step, self.device)
            return placed_waits(self.step, by_part)

    @cached_property
    def readings_of_parts(self) -> tuple[int, ...]:
        """How often each part reads values back, by the trace."""
        return readings_by_part(self.step, self.whole)

    def _reads_as(self, before: "Observation") -> bool:
        """Return whether this step reads back what the reference did, so that the lines are the same.

        Its operators are the reference's, or some of them, and each part reads as often as there.
        """
        if before.is_forward_alone is not self.is_forward_alone:
            return False
        if before.readings_of_parts != self.readings_of_parts:
            return False
        if self.is_forward_alone:
            return before.forward_pass.signature.operators == self.forward_pass.signature.operators
        reads_in_optimizer = any(
            part.name == "optimizer" and count
            for part, count in zip(self.step.parts, self.readings_of_parts, strict=True)
        )
        return not reads_in_optimizer and self.whole_pass.is_part_of(before.whole_pass)

    @property
    def gradient_bytes(self) -> int | None:
        """Bytes of the parameters' gradients after the backward part; None where there is no such part."""
        return None if self.is_forward_alone else self.whole_pass.gradient_bytes

    @property
    def without_gradient(self) -> tuple[str, ...]:
        """The trainable parameters that the backward part gave no gradient, by name."""
        return () if self.gradient_bytes is None else self.whole_pass.without_gradient

    @property
    def with_gradient(self) -> tuple[str, ...]:
        """The parameters that the backward part gave a gradient, by name."""
        return () if self.gradient_bytes is None else self.whole_pass.with_gradient

    @cached_property
    def statistics(self) -> AllocatorCounters | None:
        """What the device's allocator says of all parts; None on the CPU."""
        if self.device is None:
            return None
        with self._fresh():
            return count_allocations([part.call for part in self.step.parts], self.device)

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
        return self.forward_pass.graph

    @cached_property
    def books(self) -> Books | None:
        """What is held against what was saved; None where the model fails under `no_grad`."""
        quiet, levels = self.no_grad_pass, self.forward_no_grad
        return None if quiet is None or levels is None else self._books_with(quiet, levels)

    def _books_with(self, quiet: ForwardPass, levels: Levels) -> Books:
        return Books(
            retained=self.forward_levels.retained_bytes(),
            retained_no_grad=levels.retained_bytes(),
            saved=self.graph.saved_bytes,
            scalars=self.graph.scalar_bytes,
            recorded_no_grad=quiet.bytes_held_by("saved", "scalar"),
        )

    @cached_property
    def unaccounted(self) -> tuple[Block, ...]:
        """The blocks behind what the books miss, largest first; () where they balance."""
        if self.books is None or self.books.unaccounted == 0:
            return ()
        blocks = [
            Block(bytes=block.bytes, operator=block.operator, module=block.module)
            for block in self.forward_pass.held
            if not block.is_accounted
        ]
        return tuple(sorted(blocks, key=lambda block: -block.bytes))

    def part(self, name: str) -> Trace | None:
        """Return what one part did, or None where the step has no such part."""
        for index, part in enumerate(self.step.parts):
            if part.name == name:
                return self.whole.stretch(index)
        return None

    @property
    def is_forward_alone(self) -> bool:
        """Whether the step is its forward pass and nothing else."""
        return [part.call for part in self.step.parts] == [self.step.forward]

    @property
    def is_repeatable(self) -> bool:
        """Whether each pass did twice the same, from the same state and with other random numbers.

        Two passes can be alike by chance: with random depth, what is read back depends on what was drawn.
        """
        # The whole first: a forward pass in it stands for one of two by themselves.
        if not (self.is_forward_alone or self.whole_pass.is_repeatable):
            return False
        passes = [each for each in (self.forward_pass, self.no_grad_pass) if each is not None]
        if not all(each.is_repeatable for each in passes):
            return False
        return not any(each.may_follow_random for each in passes) or not self._follows_random

    @cached_property
    def _follows_random(self) -> bool:
        """Whether a value that the forward pass reads back depends on random numbers, or may."""
        before = self._before
        if before is not None:
            earlier, mine = before.forward_pass.signature, self.forward_pass.signature
            if earlier.operators == mine.operators:
                return False  # as there
        if self.forward_pass.draws_elsewhere:
            return True
        try:
            with self._fresh():
                seed_everything(self.seed)
                return reads_random_values(self.step.forward)
        except Exception:  # noqa: BLE001 (what cannot be looked on, such as compiled code, may)
            return True


def _leaves_saved(passed: ForwardPass) -> bool:
    """Return whether some of what a pass saved is there when all that it returned is gone."""
    return any(block.holder == "saved" and block.stays for block in passed.held)
