"""One model to try candidates on: the only place that knows how this project builds, traces and times."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

import torch

from harness.fitting.accumulation import accumulating_step, as_cast
from harness.fitting.drawing import drawing_modules
from harness.fitting.levers.checkpointing import Checkpointing, counting, keeps_statistics, normalises
from harness.fitting.levers.freezing import all_but, all_but_biases, first_blocks
from harness.fitting.levers.lever import Lever, TrainingSetup, Undo, apply_all
from harness.fitting.levers.micro_batches import (
    Dimensions,
    MicroBatches,
    part_in_code,
    parts_of,
    split,
)
from harness.fitting.levers.precision import Precision
from harness.fitting.levers.updating import Implementation, InBackward, OptimizerKind, optimizer_of
from harness.fitting.names import Names, names_of
from harness.fitting.parting import dimensions_of, scale_of_parts
from harness.judge.contrasts import judge_samples
from harness.judge.times import arm_seconds
from harness.judge.verdict import Judgement
from harness.measure.attribution import attribute_peak, lasting_bytes
from harness.measure.callables import time_pair
from harness.measure.clock import clock_for
from harness.measure.inspection import refusing
from harness.measure.observe import Observation, device_of_model
from harness.measure.recording import trace
from harness.measure.trace import Trace
from harness.record.fit import Allocator, FitCandidate, Weight
from harness.record.measured import Case
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.sources import build
from harness.workload.step import Step
from harness.workload.training import LEARNING_RATE, WEIGHT_DECAY, training_step


@dataclass(slots=True)
class Workbench:
    """A model that is built once, and the steps that candidates make of it.

    Attributes:
        entry: what builds the model.
        case: device, dtype, batch and mode.
        optimizer: its name.
        seed: of weights and inputs.
        with_batch_norm: micro-batches are run in spite of batch normalisation.
        loss: of the model's output; None for the model's own.
        passes: forward and backward passes of a whole batch so far, about.
    """

    entry: Entry
    case: Case
    optimizer: str
    seed: int = 0
    with_batch_norm: bool = False
    loss: Callable[[object], torch.Tensor] | None = None
    passes: float = 0.0
    _models: dict[str, Model] = field(default_factory=dict)
    _names: Names | None = None
    _dimensions: Dimensions | None = None
    _scales: dict[int, float | None] = field(default_factory=dict)
    _drawing: tuple[str, ...] | None = None

    def make(self) -> Model:
        """Build the model anew.

        Raises:
            WorkloadError: it cannot be built.
        """
        with refusing(f"building {self.entry.name}"):
            model = build(self.case, self.seed, self.entry)
        return model if self.loss is None else replace(model, loss=self.loss)

    def model(self, which: str = "tried") -> Model:
        """Return one of the bench's own copies, built when it is first asked for."""
        if which not in self._models:
            self._models[which] = self.make()
        return self._models[which]

    def drop(self, which: str) -> None:
        """Let go of a copy."""
        self._models.pop(which, None)

    @property
    def names(self) -> Names:
        """The model's blocks; none where it has no row of them."""
        if self._names is None:
            self._names = names_of(self._whole_and_parts())
        return self._names

    def _whole_and_parts(self) -> Iterator[Model]:
        model = self.model()
        yield model
        for number in parts_of(self.case.batch_size):
            yield replace(model, inputs=split(model.inputs, self.dimensions, number)[0])

    @property
    def device(self) -> str:
        """As torch takes it."""
        return self.case.device

    @property
    def dimensions(self) -> Dimensions:
        """Which dimension of each input counts the examples.

        Raises:
            LeverError: the inputs do not show it.
        """
        if self._dimensions is None:
            self._dimensions = dimensions_of(self.entry, self.case, self.seed, self.model().inputs)
        return self._dimensions

    def levers(self, candidate: FitCandidate) -> tuple[Lever, ...]:
        """Return what a candidate is made of, in the order it is applied."""
        names, module = self.names, self.model().module
        levers: list[Lever] = []
        if candidate.frozen:
            levers.append(first_blocks(names.before[candidate.frozen], candidate.frozen, names.paths, module))
        if candidate.biases_only:
            levers.append(all_but_biases(module))
        if candidate.trained:
            levers.append(all_but(candidate.trained, module))
        if candidate.dtype:
            levers.append(Precision(candidate.dtype))
        if candidate.optimizer:
            levers.append(OptimizerKind(candidate.optimizer))
        if candidate.checkpointed:
            paths = tuple(names.paths[index] for index in candidate.checkpointed)
            blocks = [module.get_submodule(path) for path in paths]
            levers.append(Checkpointing(paths, normalises=any(map(keeps_statistics, blocks))))
        if candidate.micro_batches > 1:
            levers.append(
                MicroBatches(
                    candidate.micro_batches,
                    with_batch_norm=self.with_batch_norm and normalises(module),
                    scale=self._scales.get(candidate.micro_batches),
                    dimensions=self.dimensions,
                    part=part_in_code(self.model().inputs, self.dimensions, candidate.micro_batches),
                )
            )
        if candidate.update == "in backward":
            levers.append(InBackward())
        elif candidate.update:
            levers.append(Implementation(candidate.update))
        return tuple(levers)

    def check_split(self, number: int) -> None:
        """Check that the losses of parts make the loss of the whole: their mean does, or their sum.

        What draws random numbers is in eval mode meanwhile.

        Raises:
            LeverError: neither does, a part cannot be run, or the parts leave other buffers.
        """
        with refusing(f"a batch in {number} parts"):
            model = self.model()
            if self._drawing is None:
                part = split(model.inputs, self.dimensions, number)[0]
                self._drawing = drawing_modules(replace(model, inputs=part))
                self.passes += 1 / 3 / number
            self._scales[number] = scale_of_parts(
                model, self.dimensions, number, self.still, buffers=not self.with_batch_norm
            )
        self.passes += 2 / 3

    @property
    def still(self) -> tuple[str, ...]:
        """The modules that give parts of a batch other numbers by design; in eval mode while compared."""
        norms = counting(self.model().module) if self.with_batch_norm else ()
        return (*(self._drawing or ()), *norms)

    @contextmanager
    def prepared(self, candidate: FitCandidate, which: str = "tried") -> Iterator[Step]:
        """Give a candidate's step on one of the copies, and put everything back.

        Raises:
            LeverError: a lever cannot be applied.
        """
        gc.collect()  # what an earlier candidate left in reference cycles
        model = self.model(which)
        trainable = [p for p in model.module.parameters() if p.requires_grad]
        if not trainable:
            raise WorkloadError("no parameter is trainable, so there is no training step to fit")
        training = TrainingSetup(
            model.module,
            optimizer_of(self.optimizer, trainable, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY),
            model.autocast,
        )
        levers = self.levers(candidate)
        undo: Undo = apply_all(levers, training)
        try:
            scale = next((one.scale for one in levers if isinstance(one, MicroBatches)), None)
            yield self._step(model, training, scale)
        finally:
            undo()
            for parameter in model.module.parameters():
                parameter.grad = None

    def _step(self, model: Model, training: TrainingSetup, scale: float | None) -> Step:
        inputs = as_cast(model.inputs, training)
        changed = replace(model, inputs=inputs, autocast=training.autocast)
        if training.micro_batches == 1:
            return training_step(changed, training.optimizer)
        parts = split(inputs, self.dimensions, training.micro_batches)
        return accumulating_step(changed, training, parts, scale)

    def sized(self, batch_size: int) -> "Workbench":
        """Return a bench like this one with another batch, and nothing built yet."""
        return Workbench(
            self.entry,
            replace(self.case, batch_size=batch_size),
            self.optimizer,
            self.seed,
            with_batch_norm=self.with_batch_norm,
            loss=self.loss,
        )

    def floor(self) -> int:
        """Return the bytes that are there before anything is trained: parameters, buffers and inputs."""
        model = self.model()
        return lasting_bytes(Step((), model, model.loss_of_forward))

    def observe(self, candidate: FitCandidate) -> int:
        """Run a candidate's step twice; return the peak of the second, what outlives it included, in bytes.

        Raises:
            WorkloadError: it cannot be run; OutOfMemoryError where memory was too small.
        """
        with refusing("the step"), self.prepared(candidate) as step:
            self.passes += self.cost(candidate) * 2
            above = Observation(step).levels.peak_bytes()
            return lasting_bytes(step) + above

    def cost(self, candidate: FitCandidate) -> float:
        """Return the passes of a whole batch that one step of a candidate takes, about."""
        blocks = max(1, len(self.names.paths))
        return 1 + len(candidate.checkpointed) / blocks / 3

    def weigh(self, candidate: FitCandidate) -> tuple[Weight, ...]:
        """Return what a candidate's memory is made of at its peak, largest first."""
        with refusing("the step"), self.prepared(candidate) as step:
            self.passes += self.cost(candidate) * 2
            peak = attribute_peak(step, device_of_model(step.model))
        sizes: dict[str, int] = {}
        for share in peak.shares:
            sizes[share.category] = sizes.get(share.category, 0) + share.bytes
        return tuple(Weight(name, size) for name, size in sorted(sizes.items(), key=lambda item: -item[1]))

    def allocator(self, candidate: FitCandidate) -> Allocator | None:
        """Return what a device's allocator adds to a candidate's bytes; None on the CPU."""
        with refusing("the step"), self.prepared(candidate) as step:
            observation = Observation(step)
            if observation.device is None or observation.statistics is None:
                return None
            statistics = observation.statistics
            return Allocator(
                rounding=statistics.allocated_peak_bytes() - statistics.peak_bytes(),
                workspace=observation.device.workspace_bytes,
                reserved=statistics.reserved_peak_bytes(),
            )

    def record(self, stretches: Sequence[Callable[[], object]], step: Step) -> Trace:
        """Run stretches of a step twice; return the trace of the second time."""
        return trace(stretches, device=device_of_model(step.model))

    def time(self, candidate: FitCandidate, budget: float) -> tuple[Judgement, float]:
        """Time a candidate against the untouched step, each on a copy of its own, in one block.

        Args:
            candidate: what is timed.
            budget: seconds of timing; of long steps as few rounds as can be judged are run all the same.

        Returns:
            What is said of the ratio, and the median seconds of the candidate's step.

        Raises:
            WorkloadError: it cannot be run.
        """
        with (
            refusing("timing both steps"),
            self.prepared(FitCandidate(), "untouched") as reference,
            self.prepared(candidate) as step,
        ):
            clock = clock_for(self.device)
            costs = []
            for one in (reference, step):
                start = clock()
                one()
                costs.append(clock() - start)
            samples = time_pair(reference, step, budget, Random(self.seed), clock, costs=costs)
            self.passes += 2 + 2 * sum(map(len, samples.arm)) * samples.calls
            return judge_samples(samples), arm_seconds(samples)
