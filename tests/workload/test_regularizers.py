"""Regularized models: what each adds to the loss, to the forward pass, or to the parameters."""

import pytest
import torch
from torch import nn

from harness.measure.case import measure_arm
from harness.measure.runner import Settings
from harness.record.schema import Case
from harness.workload import regularizers
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.questions import differentiation
from harness.workload.questions import regularizers as question


def _model() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    return Model(module, (torch.randn(5, 3),))


def test_penalties_are_of_the_weights_and_not_of_the_biases() -> None:
    model = _model()
    weights = [layer.weight for layer in (model.module[0], model.module[2])]
    plain = model.loss_of_forward().item()
    squares = sum(weight.square().sum().item() for weight in weights)
    sizes = sum(weight.abs().sum().item() for weight in weights)
    assert regularizers.penalized(model, regularizers.l2(0.5)).loss_of_forward().item() == pytest.approx(
        plain + 0.25 * squares
    )
    assert regularizers.penalized(model, regularizers.l1(0.5)).loss_of_forward().item() == pytest.approx(
        plain + 0.5 * sizes
    )


@pytest.mark.parametrize(
    "change", [regularizers.with_dropout, regularizers.with_dropconnect, regularizers.with_jitter]
)
def test_noise_is_fresh_in_train_mode_and_absent_in_eval_mode(change: object) -> None:
    model = _model()
    plain = model.loss_of_forward().item()
    noisy = change(model)  # type: ignore[operator]
    noisy.module.train()
    assert len({noisy.loss_of_forward().item() for _ in range(8)}) > 1
    noisy.module.eval()
    assert noisy.loss_of_forward().item() == plain


def test_an_ensemble_has_members_of_its_own_and_the_sum_of_their_losses() -> None:
    model = _model()
    ensemble = regularizers.ensemble(model, 3)
    assert sum(1 for _ in ensemble.module.parameters()) == 12
    outputs = ensemble()
    assert not torch.equal(outputs[0], outputs[1])
    assert ensemble.loss_of_forward().item() == pytest.approx(
        sum(model.loss(output).item() for output in outputs)
    )


def test_dropout_and_augmentation_refuse_models_without_a_place_for_them() -> None:
    with pytest.raises(WorkloadError, match="has no second"):
        regularizers.with_dropout(Model(nn.Sequential(nn.Linear(3, 1)), (torch.ones(1, 3),)))
    with pytest.raises(UnsupportedError, match="no floating-point tensor"):
        regularizers.with_jitter(Model(nn.Embedding(4, 2), (torch.tensor([1, 2]),)))


def test_decay_in_the_optimizer_adds_no_bytes_to_forward_and_the_penalty_does() -> None:
    case = Case(question="regularizers", model="mlp-relu", batch_size=64, mode="train")
    none, decay, penalty = (
        measure_arm(question.QUESTION, case, arm, Settings(budget=0)).counts
        for arm in (question.REFERENCE, question.DECAY, question.PENALTY)
    )
    assert none["forward peak"] == decay["forward peak"] < penalty["forward peak"]
    assert none["nodes"] == decay["nodes"] < penalty["nodes"]


def test_further_derivatives_match_a_polynomial() -> None:
    weight = torch.tensor([2.0], requires_grad=True)
    direction = [torch.tensor([3.0])]
    found = [
        differentiation.directional_derivative(weight.pow(4).sum(), [weight], direction, order).item()
        for order in (1, 2, 3)
    ]
    # d/dt (2 + 3 t)^4 at 0: 4 x^3 v, 12 x^2 v^2, 24 x v^3
    assert found == [96.0, 432.0, 1296.0]


def test_a_derivative_of_a_constant_is_refused() -> None:
    weight = torch.tensor([2.0], requires_grad=True)
    with pytest.raises(UnsupportedError, match="derivative 2 is of a constant"):
        differentiation.directional_derivative((3 * weight).sum(), [weight], [torch.ones(1)], 2)
