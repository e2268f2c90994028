"""What does each further derivative of the loss cost?"""

from collections.abc import Sequence

import torch

from harness.record.measured import Case
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.question import Cell, Question
from harness.workload.step import Part, Step

ARMS = ("forward", "forward + backward", "second derivative", "third derivative")


def directional_derivative(
    loss: torch.Tensor, parameters: Sequence[torch.Tensor], direction: Sequence[torch.Tensor], order: int
) -> torch.Tensor:
    """Return the derivative of a loss along a direction of the parameters, by repeated differentiation.

    Every derivative but the last is recorded with `create_graph`, so that it can be differentiated again.

    Args:
        loss: a scalar with a graph.
        parameters: what it depends on.
        direction: a tensor a parameter, of the same shape.
        order: how many times to differentiate, at least 1.

    Raises:
        UnsupportedError: torch cannot differentiate one of the model's operators again, or nothing is left
            that depends on the parameters.
    """
    value = loss
    for done in range(order):
        last = done == order - 1
        if not value.requires_grad:
            raise UnsupportedError(
                f"derivative {done + 1} is of a constant: nothing depends on the parameters"
            )
        try:
            gradients = torch.autograd.grad(value, parameters, create_graph=not last, allow_unused=True)
        except (RuntimeError, NotImplementedError) as error:
            # torch's own refusal is the test: which operators can be differentiated twice varies by release.
            reason = str(error).splitlines()[0]
            raise UnsupportedError(f"torch refuses derivative {done + 1}: {reason}") from error
        value = torch.stack(
            [
                (gradient * along).sum()
                for gradient, along in zip(gradients, direction, strict=True)
                if gradient is not None
            ]
        ).sum()
    return value


def _build(_case: Case, arm: str, model: Model) -> Step:
    if arm == ARMS[0]:
        return Step((Part("forward", model.loss_of_forward),), model, model.loss_of_forward)
    parameters = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    if not parameters:
        raise WorkloadError("no parameter is trainable, so there is nothing to differentiate by")
    order = ARMS.index(arm)
    direction = [torch.randn_like(parameter) for parameter in parameters]
    losses: list[torch.Tensor] = []

    def forward() -> None:
        losses.append(model.loss_of_forward())

    def backward() -> None:
        if order == 1:
            torch.autograd.grad(losses.pop(), parameters)
        else:
            directional_derivative(losses.pop(), parameters, direction, order)

    return Step((Part("forward", forward), Part("backward", backward)), model, model.loss_of_forward)


QUESTION = Question(
    name="differentiation",
    asks="What does each further derivative of the loss cost?",
    arms=lambda _entry: ARMS,
    cells=lambda entry, _every: (Cell(entry, "train"),),
    build=_build,
    columns=("peak", "saved", "nodes", "operators"),
    models=("mlp-gelu", "convnet"),
)
