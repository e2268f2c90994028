"""What does freezing part of a model save in a training step?"""

import torch

from harness.record.measured import Case
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.step import Part, Step
from harness.workload.training import training_step

REFERENCE = "all trainable"
BY_NAME = "frozen by name"
TRUNK_NO_GRAD = "trunk under no_grad"
ARMS = (REFERENCE, "trunk frozen", "head frozen", "biases only", "all frozen", TRUNK_NO_GRAD)


def _arms(entry: Entry) -> tuple[str, ...]:
    return (*ARMS, BY_NAME) if entry.named else ARMS


def freeze(model: Model, arm: str, named: tuple[str, ...] = ()) -> None:
    """Set `requires_grad` as an arm says.

    Raises:
        WorkloadError: a name in `named` is no parameter of the model.
    """
    parameters = dict(model.module.named_parameters())
    if arm == "trunk frozen":
        frozen = model.trunk_parameters()
    elif arm == "head frozen":
        frozen = model.head_parameters()
    elif arm == "biases only":
        frozen = [
            parameter for name, parameter in parameters.items() if "bias" not in name.rpartition(".")[2]
        ]
    elif arm == BY_NAME:
        missing = [name for name in named if name not in parameters]
        if missing:
            raise WorkloadError(f"no parameter {missing[0]!r}; there are {', '.join(parameters)}")
        frozen = [parameters[name] for name in named]
    elif arm == "all frozen":
        frozen = list(parameters.values())
    else:
        frozen = []
    for parameter in frozen:
        parameter.requires_grad = False


def run_trunk_without_grad(model: Model) -> None:
    """Make every submodule before the head run under `no_grad`; its parameters stay trainable."""
    for module in model.trunk_modules():
        module.forward = torch.no_grad()(module.forward)  # of this instance alone


def _build(case: Case, arm: str, model: Model) -> Step:
    from harness.workload.sources import resolve

    freeze(model, arm, resolve(case.model).named if arm == BY_NAME else ())
    if arm == TRUNK_NO_GRAD:
        run_trunk_without_grad(model)
        if not model.loss_of_forward().requires_grad:
            raise UnsupportedError(
                "something that runs after the head runs under no_grad too, so that nothing is trained; name"
                " the head in Model.head"
            )
    if any(parameter.requires_grad for parameter in model.module.parameters()):
        return training_step(model)
    return Step((Part("forward", model.loss_of_forward),), model, model.loss_of_forward)


QUESTION = Question(
    name="freezing",
    asks="What does freezing part of a model save in a training step?",
    arms=_arms,
    cells=lambda entry, _every: (Cell(entry, "train"),),
    build=_build,
    columns=("peak", "retained", "saved", "gradients", "nodes"),
    models=("mlp-relu", "mlp-gelu", "convnet", "transformer", "hf:bert-tiny"),
)
