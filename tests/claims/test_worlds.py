"""Each claim in a world in which it is false: the verdict turns."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from harness.claims import (
    bayes,
    decay,
    differentiation,
    freezing,
    freezing_scope,
    no_grad,
    norms,
    overfitting,
    remedies,
    sweeps,
)
from harness.claims.catalogue import every_claim, find
from harness.claims.claim import Lab
from harness.claims.conclude import conclude
from harness.claims.regression import ridge
from harness.workload.model import Model
from harness.workload.questions import grad_mode
from harness.workload.step import Part, Step

pytestmark = pytest.mark.process

LAB = Lab(
    budget=0.05,
    seeds=16,
    epochs=20,
    models=("linear", "mlp-relu"),
    timed=("mlp-relu",),
    data_sets=("Friedman's problem",),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _leave_alone(_parameter: nn.Parameter) -> None:
    pass


def _tripled_backward(value: torch.Tensor) -> None:
    (value * 3).backward()


def _wrong_slope(function: Any, x: torch.Tensor, order: int) -> torch.Tensor:
    return 1.01 * differentiation._repeated(function, x, order)


@contextlib.contextmanager
def _in_bfloat16() -> Iterator[None]:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        yield


@contextlib.contextmanager
def _switched_off_for_good() -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield


def _same_in_every_mode(_case: Any, arm: str, model: Model) -> Step:
    def forward() -> object:
        return model()

    def slowed() -> object:
        time.sleep(1e-4)
        return model()

    call = slowed if arm == "no_grad" else forward
    return Step((Part("forward", call),), model, call)


_NO_SAVING = replace(grad_mode.QUESTION, build=_same_in_every_mode)


class _Wandering(Adam):
    """An optimizer that moves its parameters whether they have a gradient or not."""

    def step(self, closure: Any = None) -> Any:
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.add_(1e-3)
        return super().step(closure)


class _WanderingSGD(SGD):
    def step(self, closure: Any = None) -> Any:
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.add_(1e-3)
        return super().step(closure)


def _moves_buffers_too(parameters: Any, **options: Any) -> Optimizer:
    return _WanderingSGD(parameters, **options)


def _decays_everything(groups: list[dict[str, Any]], lr: float) -> Optimizer:
    strongest = max(group.get("weight_decay", 0.0) for group in groups)
    return SGD([{**group, "weight_decay": strongest} for group in groups], lr=lr)


def _decays_nothing(groups: list[dict[str, Any]], lr: float, **_options: Any) -> Optimizer:
    return SGD([{**group, "weight_decay": 0.0} for group in groups], lr=lr)


def _always_decays(groups: list[dict[str, Any]], lr: float) -> Optimizer:
    return AdamW([{**group, "weight_decay": 0.5} for group in groups], lr=lr)


def _freeze_weight_alone(model: Model, _names: tuple[str, ...]) -> None:
    model.module.get_parameter("conv.weight").requires_grad = False


def _heavier_forward(model: Model, policy: str) -> Optimizer:
    if policy != "one group":
        model.module.register_forward_hook(lambda _module, _inputs, output: output * 1.0)
    return decay._grouped_optimizer(model, policy)


def _best_on_test(_validation: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    return test.argmin(1)


def _no_penalty(_network: Any) -> torch.Tensor:
    return torch.zeros(())


def _identity(_strength: float) -> Any:
    return lambda value: value


def _laplace(weights: torch.Tensor, sigma: float) -> torch.Tensor:
    return -(weights.abs() + 1e-3).sqrt().sum() / sigma


def _records_gradients_alone(model: Model) -> object:
    """Run forward so that it leaves gradients, where recording is on, and no graph."""
    if torch.is_grad_enabled():
        for parameter in model.module.parameters():
            parameter.grad = torch.zeros_like(parameter)
    with torch.no_grad():
        return model.loss_of_forward()


_RECORDED: list[list[object]] = []  # what the test below drops when the context is entered


def _record_in_a_box(model: Model) -> object:
    _RECORDED.append([model.loss_of_forward()])
    return _RECORDED[-1]


@contextlib.contextmanager
def _drops_what_was_recorded() -> Iterator[None]:
    for box in _RECORDED:
        box.clear()
    with torch.no_grad():
        yield


def _leave_all_alone(_parameters: list[nn.Parameter]) -> None:
    pass


def _cut_the_second_layer(model: Model) -> None:
    layer = next(child for child in list(model.module.modules())[2:] if isinstance(child, nn.Linear))
    forward = layer.forward
    for parameter in layer.parameters():
        parameter.requires_grad = False

    def inside(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return forward(x)

    layer.forward = inside


class _SkipsFrozen(SGD):
    """An optimizer that looks at requires_grad, as no optimizer of torch does."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["params"] = [each for each in group["params"] if each.requires_grad]
        return super().step(closure)


FALSE_WORLDS = {
    "D1": differentiation.World(backward=_tripled_backward),
    "D2": differentiation.World(derivative=_wrong_slope),
    "D3": differentiation.World(derivative=_wrong_slope),
    "N1": no_grad.World(no_grad=contextlib.nullcontext),
    "N2": no_grad.World(question=_NO_SAVING),
    "N3": no_grad.World(question=_NO_SAVING),
    "N4": no_grad.World(no_grad=_switched_off_for_good),
    "N5": no_grad.World(freeze=_leave_alone),
    "N6": no_grad.World(freeze=_leave_alone),
    "N7": no_grad.World(no_grad=_in_bfloat16),
    "N8": no_grad.World(no_grad=contextlib.nullcontext),
    "N9": no_grad.World(record=_records_gradients_alone),
    "N10": no_grad.World(no_grad=_drops_what_was_recorded, record=_record_in_a_box),
    "F1": freezing.World(adam=_Wandering),
    "F2": freezing.World(sgd=_moves_buffers_too),
    "F3": freezing.World(freeze_names=_freeze_weight_alone),
    "F4": freezing.World(freeze=_leave_alone, trunk_without_grad=lambda _model: None),
    "F5": freezing_scope.World(freeze=_leave_all_alone),
    "F6": freezing_scope.World(freeze_layer=_cut_the_second_layer, sgd=_SkipsFrozen),
    "W1": decay.World(sgd=_decays_everything),
    "W2": decay.World(optimizers={"SGD": _decays_nothing, "AdamW": AdamW}),
    "W3": decay.World(optimizers={"SGD": SGD, "Adam": Adam, "AdamW": _always_decays}),
    "W4": overfitting.World(sgd=_decays_nothing),
    "W5": sweeps.World(sgd=_decays_nothing, fit=lambda x, y, _strength: ridge(x, y, 1e-3)),
    "W6": sweeps.World(choose=_best_on_test),
    "W7": norms.World(l1_penalty=lambda weights, strength: strength / 2 * weights.square().sum()),
    "W8": norms.World(
        l1_slope=lambda weights: -weights, proximal=lambda weights, threshold: weights + threshold
    ),
    "W9": norms.World(norms={**norms._NORMS, "sqrt(trace(A^T A))": lambda a: (a.mT @ a).trace()}),
    "W10": decay.World(group=_heavier_forward),
    "W11": overfitting.World(
        groups=lambda network, policy, _strength: overfitting._groups(network, policy, 0.0)
    ),
    "W12": norms.World(proximal=lambda weights, threshold: weights / (1 + threshold)),
    "O1": remedies.World(stop=lambda errors: torch.zeros(errors.shape[1], dtype=torch.long)),
    "O2": remedies.World(augment=_identity),
    "O3": remedies.World(dropout=_identity),
    "O4": remedies.World(l1=lambda _strength: _no_penalty, l2=lambda _strength: _no_penalty),
    "O5": remedies.World(combine=lambda predictions: predictions[0]),
    "O6": remedies.World(dropconnect=_identity),
    "O7": remedies.World(collect=lambda _examples: 40),
    "O8": remedies.World(resize=lambda _width: 48),
    "B1": bayes.World(log_prior=_laplace),
}


# Without the wrapper freezing does nothing there; gradients are what is spared; entering frees; the optimizer
# looks at the flag, and the layer is cut out of the graph.
_TRUE_THERE = {"N5", "N9", "N10", "F6"}


def test_every_claim_has_a_world_in_which_it_is_false() -> None:
    assert list(FALSE_WORLDS) == [claim.id for claim in every_claim()]
    assert len(FALSE_WORLDS) == 40


@pytest.mark.parametrize("name", FALSE_WORLDS)
def test_a_claim_turns_in_a_world_in_which_it_is_false(name: str) -> None:
    (claim,) = find([name])
    try:
        # A sleep beside a call of some microseconds shows in a short time.
        lab = replace(LAB, models=("linear",)) if name == "N3" else LAB
        checks = claim.test(lab, FALSE_WORLDS[name]).checks
    finally:
        torch.set_grad_enabled(True)
    verdict, condition = conclude(checks, is_sampled=claim.is_sampled)
    if name in _TRUE_THERE:
        assert verdict == "holds"
    elif name == "N6":  # nothing freezes there, and no_grad in every step is all that does
        assert "not: the block has been left" in condition
    elif name == "F4":  # 50 ms cannot show that times are the same
        assert verdict in {"refuted", "undecided"}
        assert [check for check in checks if check.where.endswith("bytes") and check.holds is not False] == []
    else:
        assert verdict == "refuted", condition
