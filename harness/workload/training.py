"""A training step in three parts: forward, backward, optimizer."""

import torch
from torch.optim import AdamW, Optimizer

from harness.workload.model import Model, WorkloadError
from harness.workload.step import Part, Step

# So small that thousands of timed steps leave the weights where they were: the work of a step does
# not depend on the rate, and weights that wander reach denormal or infinite numbers.
LEARNING_RATE = 1e-9
WEIGHT_DECAY = 0.01


def training_step(model: Model, optimizer: Optimizer | None = None) -> Step:
    """Build a step that trains the model's trainable parameters, with AdamW unless given an optimizer.

    Gradients are freed at the end of the optimizer part, so that a step begins and ends with none.

    Raises:
        WorkloadError: nothing is trainable.
    """
    trainable = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    if not trainable:
        raise WorkloadError("no parameter is trainable, so there is no training step")
    chosen = optimizer or AdamW(trainable, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    losses: list[torch.Tensor] = []

    def forward() -> None:
        losses.append(model.loss_of_forward())

    def backward() -> None:
        losses.pop().backward()  # type: ignore[no-untyped-call]

    def update() -> None:
        chosen.step()
        chosen.zero_grad(set_to_none=True)

    parts = (
        Part("forward", forward, keeps_forward=True),
        Part("backward", backward),
        Part("optimizer", update),
    )
    return Step(parts, model, model.loss_of_forward, chosen)
