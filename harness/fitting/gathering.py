"""Measures the pieces: a few traced passes, one for each thing that a block can do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from harness.fitting.levers.lever import LeverError
from harness.fitting.levers.micro_batches import split
from harness.fitting.levers.updating import UPDATE_IMPLEMENTATIONS
from harness.fitting.pieces import BlockPasses, Pieces, Row, Update, no_quicker
from harness.fitting.segments import noting_blocks, segments_of
from harness.fitting.workbench import Workbench
from harness.measure.attribution import lasting_bytes
from harness.measure.inspection import OutOfMemoryError, refusing
from harness.record.fit import FitCandidate
from harness.workload.model import WorkloadError
from harness.workload.step import Step
from harness.workload.tensors import bytes_of, tensors_in

# Torch's own choice of an implementation: the loop on a CPU, lists on CUDA.
UPDATES = ("", *UPDATE_IMPLEMENTATIONS)


@dataclass(slots=True)
class Gathering:
    """Pieces as they are measured, with the levers that were left out and why.

    Attributes:
        bench: with the model.
        base: precision and optimizer that all pieces are measured in.
        freezes: the pieces of frozen blocks are wanted too.
        dropped: reasons, by lever.
        reached: the names of the parameters that got a gradient; what runs without a graph gets none.
    """

    bench: Workbench
    base: FitCandidate = FitCandidate()  # noqa: RUF009 (it is frozen)
    freezes: bool = False
    dropped: dict[str, str] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)

    def measure(self, numbers: Sequence[int]) -> Pieces:
        """Measure the passes for these numbers of micro-batches, and the optimizer's implementations.

        Raises:
            WorkloadError: not even the whole step, as it is, can be run.
        """
        bench = self.bench
        names = bench.names
        passes: dict[int, BlockPasses] = {}
        for number in numbers:
            try:
                if number > 1:
                    self._check_split(number, passes)
                passes[number] = self._passes(number)
            except OutOfMemoryError as error:
                self.dropped[f"a batch in {number} parts" if number > 1 else "the whole batch"] = str(error)
            except LeverError as error:
                self.dropped["micro-batches"] = str(error)
                break
            except WorkloadError as error:
                if number == 1:
                    raise
                self.dropped["micro-batches"] = str(error)
                break
        fixed, gradients, states, updates = self._updates()
        return Pieces(passes, updates, fixed, gradients, states, names.before)

    def _check_split(self, number: int, passes: dict[int, BlockPasses]) -> None:
        """Check that the batch may be run in so many parts; what does not come apart once never does.

        Two parts may make up the whole by chance, within rounding, where four do not.
        """
        with self.bench.prepared(replace(self.base, micro_batches=number)):
            pass  # the lever itself may refuse
        try:
            self.bench.check_split(number)
        except LeverError:
            for other in [each for each in passes if each > 1]:
                del passes[other]
            raise

    def _passes(self, number: int) -> BlockPasses:
        blocks = tuple(range(len(self.bench.names.paths)))
        plain = self._row(self.base, number)
        if plain is None:
            raise LeverError("the step cannot be cut into parts")
        checkpointed = frozen = all_frozen = in_backward = None
        if blocks:
            checkpointed = self._tried("checkpointing", replace(self.base, checkpointed=blocks), number)
            if checkpointed is not None and [(s.phase, s.block) for s in checkpointed] != [
                (s.phase, s.block) for s in plain
            ]:
                self.dropped["checkpointing"] = "the blocks do not run in the same order when checkpointed"
                checkpointed = None
            if checkpointed is not None:
                checkpointed = no_quicker(checkpointed, plain)
            if self.freezes:
                frozen = self._frozen(len(blocks) - 1, number)
                all_frozen = self._frozen(len(blocks), number)
        if number == 1:
            in_backward = self._tried(
                "stepping in backward", replace(self.base, update="in backward"), number
            )
        return BlockPasses(plain, checkpointed, frozen, all_frozen, in_backward)

    def _tried(self, lever: str, candidate: FitCandidate, number: int) -> Row | None:
        if lever in self.dropped:
            return None
        try:
            return self._row(candidate, number)
        except WorkloadError as error:
            self.dropped[lever] = str(error)
            return None

    def _frozen(self, count: int, number: int) -> Row | None:
        """Return the pass with so many blocks frozen; None where nothing is left to train."""
        try:
            return self._row(replace(self.base, frozen=count), number) if count > 0 else None
        except OutOfMemoryError as error:
            self.dropped["freezing"] = str(error)
        except WorkloadError:
            pass  # nothing is left to train
        return None

    def _row(self, candidate: FitCandidate, number: int) -> Row | None:
        bench = self.bench
        paths = bench.names.paths
        with refusing("a traced pass"), bench.prepared(candidate) as step:
            calls = _calls(bench, step, number)
            # Both are run twice: with several parts, the second finds the gradients of the one before.
            with noting_blocks(step.model.module, paths):
                recorded = bench.record([*calls, self._clearing(step, number)], step)
        bench.passes += 2 * bench.cost(candidate) / number
        return segments_of(replace(recorded, marks=recorded.marks[:3]), len(paths))

    def _clearing(self, step: Step, number: int) -> Callable[[], None]:
        """Return what ends a traced pass, after the last mark that is read."""

        def clear() -> None:
            named = dict(step.model.module.named_parameters())
            self.reached |= {name for name, parameter in named.items() if parameter.grad is not None}
            if number == 1:
                for parameter in named.values():
                    parameter.grad = None

        return clear

    def _updates(self) -> tuple[int, dict[str, int], dict[str, int], dict[str, Update]]:
        """Return fixed bytes, gradients' and states' bytes by name, and what each implementation costs."""
        bench = self.bench
        fixed, gradients, states = 0, {}, {}
        measured: dict[str, Update] = {}
        for name in UPDATES:
            try:
                with (
                    refusing(f"the optimizer's step ({name or 'as it is'})"),
                    bench.prepared(replace(self.base, update=name)) as step,
                ):
                    optimizer = step.optimizer
                    if optimizer is None:
                        raise LeverError("the step has no optimizer")
                    trainable = {
                        key: p
                        for key, p in step.model.module.named_parameters()
                        if p.requires_grad and (key in self.reached or not self.reached)
                    }
                    fixed = lasting_bytes(step)
                    _give_gradients(trainable.values())
                    recorded = bench.record([optimizer.step], step)
                    gradients = {key: bytes_of(p) for key, p in trainable.items()}
                    states = {
                        key: sum(map(bytes_of, tensors_in(optimizer.state.get(p, {}))))
                        for key, p in trainable.items()
                    }
                    measured[name] = _update(recorded.peak_bytes(), gradients, recorded.marks)
            except WorkloadError as error:
                if not name:
                    raise
                self.dropped[f"the optimizer's {name} implementation"] = str(error)
        return fixed, gradients, states, measured


def _update(high: int, gradients: dict[str, int], marks: Sequence[float]) -> Update:
    # A loop holds temporaries of one parameter at a time, a few times its size at most.
    grows = high > 4 * max(gradients.values(), default=0)
    return Update(high, grows, (marks[1] - marks[0]) * 1e-6)


def _give_gradients(parameters: object) -> None:
    for parameter in parameters:  # type: ignore[attr-defined]
        parameter.grad = torch.zeros_like(parameter)


def _calls(bench: Workbench, step: Step, number: int) -> list[Callable[[], object]]:
    """Return the forward and the backward pass of one part of the batch."""
    losses: list[torch.Tensor] = []
    model = step.model
    if number > 1:
        model = replace(model, inputs=split(model.inputs, bench.dimensions, number)[0])

    def forward() -> None:
        losses.append(model.loss_of_forward())

    def backward() -> None:
        losses.pop().backward()  # type: ignore[no-untyped-call]

    return [forward, backward]
