"""A step runs its parts in order, and is moved without a change of what it computes."""

from random import Random

import pytest
import torch
from torch import nn

from harness.record.schema import Case
from harness.workload.model import Model, WorkloadError
from harness.workload.sources import build
from harness.workload.step import Part, Step
from harness.workload.tensors import tensors_in
from harness.workload.training import training_step


def small() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    return Model(module, (torch.randn(16, 4),))


def test_a_step_runs_its_parts_in_order() -> None:
    ran: list[str] = []
    model = small()
    step = Step(
        (Part("forward", lambda: ran.append("forward")), Part("backward", lambda: ran.append("backward"))),
        model,
        model,
    )

    step()
    step()

    assert ran == ["forward", "backward", "forward", "backward"]


def test_a_training_step_has_three_parts_and_ends_without_gradients() -> None:
    step = training_step(small())

    assert [part.name for part in step.parts] == ["forward", "backward", "optimizer"]
    step.parts[0].call()
    step.parts[1].call()
    assert all(parameter.grad is not None for parameter in step.model.module.parameters())
    step.parts[2].call()
    assert all(parameter.grad is None for parameter in step.model.module.parameters())


def test_a_training_step_moves_every_trainable_parameter() -> None:
    model = build(Case(question="freezing", model="mlp-relu", dtype="float64", mode="train"))
    before = [parameter.detach().clone() for parameter in model.module.parameters()]

    training_step(model)()

    for old, new in zip(before, model.module.parameters(), strict=True):
        assert not torch.equal(old, new)
        assert torch.allclose(old, new, atol=1e-7)  # but so little that thousands of steps are the same work


def test_nothing_trainable_is_refused() -> None:
    model = small()
    model.module.requires_grad_(requires_grad=False)

    with pytest.raises(WorkloadError, match=r"^no parameter is trainable, so there is no training step$"):
        training_step(model)


def lasting(step: Step) -> list[torch.Tensor]:
    """Return all that a training step reads and that outlives it."""
    module = step.model.module
    tensors = [*module.parameters(), *module.buffers(), *tensors_in(step.model.inputs)]
    tensors += [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    if step.optimizer is not None:
        tensors += [tensor for state in step.optimizer.state.values() for tensor in tensors_in(state)]
    return tensors


def test_moving_reaches_all_that_outlives_a_step_and_changes_no_value() -> None:
    step = training_step(small())
    step()
    step.parts[0].call()
    step.parts[1].call()  # so that there are gradients to move
    tensors = lasting(step)
    old = {tensor.data_ptr() for tensor in tensors}
    values = [tensor.detach().clone() for tensor in tensors]

    step.relocate(Random(0))

    assert len(tensors) == 6 + 3 + 1 + 6 + 18  # parameters, buffers, input, gradients, AdamW's state
    assert not old & {tensor.data_ptr() for tensor in lasting(step)}
    for tensor, value in zip(lasting(step), values, strict=True):
        assert torch.equal(tensor, value)


def test_moving_keeps_strides_and_the_ties_between_parameters() -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    inputs = torch.randn(3, 5).t()
    step = Step((), Model(module, (inputs,)), module)
    expected = module(inputs)

    step.relocate(Random(0))

    assert module[1].weight is module[0].weight
    assert inputs.stride() == (1, 5)
    assert torch.equal(module(inputs), expected)


def test_moving_gives_the_same_outputs_for_the_same_seed_of_dropout() -> None:
    model = build(Case(question="grad_mode", model="transformer", mode="train", batch_size=2))
    step = Step((Part("forward", model),), model, model)
    torch.manual_seed(3)
    before = next(tensors_in(model())).detach()
    step.relocate(Random(0))
    torch.manual_seed(3)

    assert torch.equal(next(tensors_in(model())), before)


def test_a_training_step_works_after_it_was_moved() -> None:
    one, other = training_step(small()), training_step(small())
    for _ in range(3):
        one()
        other()
        other.relocate(Random(0))

    for first, second in zip(lasting(one), lasting(other), strict=True):
        assert torch.equal(first, second)
