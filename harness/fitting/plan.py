"""A plan: the levers that make a training step fit, and how they are applied to a model of one's own."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from harness.errors import HarnessError
from harness.fitting.levers.lever import Lever, TrainingSetup, Undo, apply_all
from harness.fitting.levers.micro_batches import Dimensions, MicroBatches, leading_dimensions, split
from harness.record.fit import FitSearch
from harness.report.fit import fit_json, fit_text
from harness.workload.factory import batch_size_of
from harness.workload.model import Model
from harness.workload.tensors import tensors_in


@dataclass(frozen=True, slots=True)
class Applied:
    """A model whose training a plan has changed.

    Attributes:
        optimizer: to go on with; another than was given where the plan says so.
        micro_batches: parts that every batch is to be run in; 1 for the whole.
        scale: what the loss of each part is multiplied by before its backward pass.
        autocast: the dtype of an autocast region to put around the forward pass; None for none.
        undo: puts everything back.
        dimensions: of each input tensor, which counted the examples where the plan was made.
        batch_size: examples there.
    """

    optimizer: Optimizer
    micro_batches: int
    scale: float
    autocast: object
    undo: Undo
    dimensions: Dimensions = ()
    batch_size: int = 0

    def parts(self, inputs: Any) -> list[Any]:
        """Return a batch's parts, cut along the dimension of every tensor that counts the examples.

        It is the plan's for what looks like the inputs that the plan was made with, else the first, as of
        targets.

        Raises:
            HarnessError: it cannot be divided into equal parts.
        """
        if self.micro_batches == 1:
            return [inputs]
        dimensions = self.dimensions
        tensors = tuple(tensors_in(inputs))
        if len(dimensions) != len(tensors) or not all(map(self._may_be_along, tensors, dimensions)):
            dimensions = leading_dimensions(inputs, batch_size_of(Model(nn.Identity(), (inputs,))))
        return split(inputs, dimensions, self.micro_batches)

    def _may_be_along(self, tensor: torch.Tensor, dimension: int | None) -> bool:
        """Return whether a dimension may count a tensor's examples; a batch may be of another size, too."""
        if dimension is None:
            return True
        if dimension >= tensor.dim():
            return False
        return tensor.shape[dimension] == self.batch_size or tensor.shape[0] != self.batch_size


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What `fit` found: whether training fits, what to change for it, and what that costs.

    Attributes:
        search: every number.
        levers: what the plan changes, in order; empty where nothing has to be changed, or nothing fits.
    """

    search: FitSearch
    levers: tuple[Lever, ...]

    @property
    def fits(self) -> bool:
        """Whether there is a plan within the limit."""
        return self.search.plan is not None

    @property
    def peak_bytes(self) -> int | None:
        """The plan's measured peak; None where nothing fits."""
        return None if self.search.plan is None else self.search.plan.peak

    def apply(self, model: nn.Module, optimizer: Optimizer) -> Applied:
        """Change a model and its optimizer as the plan says; both may have trained already.

        Micro-batches are the training loop's: `Applied.parts` cuts a batch, `Applied.scale` goes to the loss.

        Raises:
            HarnessError: nothing fits, or the model is not like the one that the plan was made for.
        """
        if not self.fits:
            raise HarnessError("nothing that was tried fits, so there is no plan to apply")
        training = TrainingSetup(model, optimizer)
        try:
            undo = apply_all(self.levers, training)
        except AttributeError as error:
            raise HarnessError(f"the model is not like the one that was measured: {error}") from error
        parts = next((one for one in self.levers if isinstance(one, MicroBatches)), MicroBatches(1))
        return Applied(
            training.optimizer,
            training.micro_batches,
            1 / training.micro_batches if parts.scale is None else parts.scale,
            training.autocast,
            undo,
            parts.dimensions,
            self.search.batch_size,
        )

    def __str__(self) -> str:
        """Return what the command prints."""
        return fit_text(self.search)

    def __repr__(self) -> str:
        """Return the answer alone."""
        return f"<Plan: {fit_text(self.search).splitlines()[0]}>"

    def to_json(self) -> str:
        """Return every number as JSON."""
        return fit_json(self.search)

    def to_html(self) -> str:
        """Return a page, whole and self-contained."""
        from harness.report.fit_page import fit_page  # matplotlib takes 0.8 s to import

        return fit_page(self.search)
