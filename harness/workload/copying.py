"""Copies of a model, where building it takes longer."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.workload.model import Model


@dataclass(slots=True)
class Copying:
    """Builds a model once and hands out copies, where building takes longer than copying.

    A copy has the weights of the first build whatever the seed: for models with random weights, whose
    bytes and times do not depend on them.
    """

    build: Callable[[int], Model]
    batch_size: int | None = None
    first: Model | None = None

    def __call__(self, batch_size: int) -> Model:
        """Return a copy of the model with that batch size."""
        if self.first is None or self.batch_size != batch_size:
            self.first, self.batch_size = self.build(batch_size), batch_size
        return replace(
            self.first, module=copy.deepcopy(self.first.module), inputs=copy.deepcopy(self.first.inputs)
        )
