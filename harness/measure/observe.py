"""The exact passes over one step, each run when a probe first asks for it and kept for the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch

from harness.measure.allocator_counters import AllocatorCounters, count_allocations
from harness.measure.devices.protocol import Device
from harness.measure.devices.registry import device_of
from harness.measure.forward import ForwardPass, run_forward, signature_of
from harness.measure.garbage import collection_disabled, old_objects_set_aside
from harness.measure.graph import Graph
from harness.measure.trace import Trace, recording
from harness.record.measured import Block, Books
from harness.workload.factory import first_line
from harness.workload.generators import random_state_kept, seed_everything
from harness.workload.model import Model, materialize
from harness.workload.state import ModelState
from harness.workload.step import Step
from harness.workload.tensors import bytes_of


class Levels(Protocol):
    """What both a trace of the CPU's allocator and the statistics of a device's can say."""

    def peak_bytes(self) -> int:
        """Return the highest level above the start."""

    def retained_bytes(self) -> int:
        """Return the level at the end, relative to the start."""


def device_of_model(model: Model) -> Device | None:
    """Return the device on which a model's parameters and inputs lie; None for the CPU."""
    return next((device_of(str(tensor.device)) for tensor in model.lasting()), None)


@dataclass(frozen=True, slots=True)
class _Whole:
    trace: Trace
    is_repeatable: bool
    gradient_bytes: int | None  # None where no part is a backward pass
    without_gradient: tuple[str, ...]  # trainable parameters that the backward part gave none
    with_gradient: tuple[str, ...]


@dataclass(frozen=True)
class Observation:
    """What can be seen of a step without a clock. Each pass begins in the state that the step was built in.

    Attributes:
        step: what is run.
        given: the device whose allocator counts; by default the one that the step's model lies on.
        seed: of the random numbers that the passes draw.
    """

    step: Step
    given: Device | None = None
    seed: int = 0

    def again(self, seed: int) -> "Observation":
        """Return an observation of the same step, from the same state, with other random numbers."""
        other = replace(self, seed=seed)
        other.__dict__["state"] = self.state
        return other

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
        with self._fresh():
            passed = run_forward(self.step.forward, self.step.model, self.state, self.seed, self.device)
        if any(block.holder == "saved" and block.stays for block in passed.held) and self.no_grad_pass:
            return passed.beside(self.no_grad_pass)
        return passed

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
        quiet = torch.no_grad()(self.step.forward)
        with self._fresh():
            try:
                return run_forward(quiet, self.step.model, self.state, self.seed, self.device)
            except Exception as error:  # noqa: BLE001 (whatever the model raises: some differentiate inside)
                return first_line(error)

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
        return self.forward if self.is_forward_alone else self._whole.trace

    @cached_property
    def _whole(self) -> _Whole:
        with self._fresh():
            return self._run_whole()

    def _run_whole(self) -> _Whole:
        """Run all parts twice, the first time with other random numbers, and look at the second time."""
        runs: list[list[int]] = []
        gradients: int | None = None
        names: dict[bool, tuple[str, ...]] = {True: (), False: ()}
        with recording(self.device) as session:
            for seed in (self.seed + 1000, self.seed):
                self.state.restore()
                seed_everything(seed)
                marks = [session.mark()]
                try:
                    for part in self.step.parts:
                        left = part.call()
                        if part.name == "backward":
                            gradients, names = self._gradients()
                        marks.append(session.mark())
                        del left
                except RuntimeError:
                    if seed == self.seed:
                        raise
                    # With random depth, other random numbers can leave nothing to train.
                    self.step.model.module.zero_grad(set_to_none=True)
                runs.append(marks)
        seen = session.trace()
        alike = len(runs[0]) == len(runs[1]) and all(
            signature_of(seen.between(runs[0][place], runs[0][place + 1]))
            == signature_of(seen.between(runs[1][place], runs[1][place + 1]))
            for place, part in enumerate(self.step.parts)
            if part.name != "optimizer"  # whose first step makes its state
        )
        return _Whole(seen.between(runs[1][0], runs[1][-1]), alike, gradients, names[False], names[True])

    def _gradients(self) -> tuple[int, dict[bool, tuple[str, ...]]]:
        """Return the bytes of all gradients, and the trainable parameters with one and without one."""
        named = dict(self.step.model.module.named_parameters())
        total = sum(bytes_of(each.grad) for each in named.values() if each.grad is not None)
        trainable = {name: each.grad is not None for name, each in named.items() if each.requires_grad}
        return total, {
            flag: tuple(name for name, has in trainable.items() if has is flag) for flag in (True, False)
        }

    @property
    def gradient_bytes(self) -> int | None:
        """Bytes of the parameters' gradients after the backward part; None where there is no such part."""
        return None if self.is_forward_alone else self._whole.gradient_bytes

    @property
    def without_gradient(self) -> tuple[str, ...]:
        """The trainable parameters that the backward part gave no gradient, by name."""
        return () if self.gradient_bytes is None else self._whole.without_gradient

    @property
    def with_gradient(self) -> tuple[str, ...]:
        """The parameters that the backward part gave a gradient, by name."""
        return () if self.gradient_bytes is None else self._whole.with_gradient

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
        quiet = self.forward_no_grad
        if quiet is None:
            return None
        return Books(
            retained=self.forward_levels.retained_bytes(),
            retained_no_grad=quiet.retained_bytes(),
            saved=self.graph.saved_bytes,
            scalars=self.graph.scalar_bytes,
            recorded_no_grad=self._recorded_no_grad,
        )

    @property
    def _recorded_no_grad(self) -> int:
        quiet = self.no_grad_pass
        return 0 if quiet is None else quiet.bytes_held_by("saved", "scalar")

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
        """Whether each pass did twice the same, from the same state and with other random numbers."""
        passes = [self.forward_pass, self.no_grad_pass]
        alike = all(each.is_repeatable for each in passes if each is not None)
        return alike and (self.is_forward_alone or self._whole.is_repeatable)
