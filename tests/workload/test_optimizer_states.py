"""What optimizers of one kind keep for a model's parameters, handed from one to the next."""

import torch
from torch.optim import SGD, AdamW, Optimizer

from harness.workload.optimizer_states import OptimizerStates


def _parameters(number: int) -> list[torch.Tensor]:
    return [torch.ones(4, requires_grad=True) for _ in range(number)]


def _stepped(optimizer: Optimizer, parameters: list[torch.Tensor]) -> Optimizer:
    for parameter in parameters:
        parameter.grad = torch.ones(4)
    optimizer.step()
    return optimizer


def _shapes(optimizer: Optimizer) -> list[dict[str, tuple[object, ...]]]:
    return [
        {name: (tuple(value.shape), value.dtype) for name, value in state.items()}
        for state in optimizer.state.values()
    ]


def test_a_state_that_was_handed_over_is_what_a_step_would_have_made() -> None:
    parameters = _parameters(3)
    for kept, fresh in ((False, True), (True, False)):
        states = OptimizerStates()
        states.take_from(_stepped(AdamW(parameters, foreach=kept), parameters))
        handed = AdamW(parameters[:2], foreach=fresh)

        assert states.hand_to(handed)
        assert _shapes(handed) == _shapes(_stepped(AdamW(parameters[:2], foreach=fresh), parameters[:2]))


def test_an_optimizer_has_nothing_left_when_its_states_were_taken() -> None:
    parameters = _parameters(2)
    optimizer = _stepped(AdamW(parameters), parameters)
    OptimizerStates().take_from(optimizer)

    assert not optimizer.state


def test_states_of_two_kinds_are_never_there_at_once() -> None:
    parameters = _parameters(2)
    states = OptimizerStates()
    states.take_from(_stepped(AdamW(parameters), parameters))
    other = SGD(parameters, lr=0.1, momentum=0.9)

    assert not states.hand_to(other)
    assert (states.states, states.parameters, dict(other.state)) == ({}, [], {})


def test_a_parameter_that_no_optimizer_had_needs_a_step_of_its_own() -> None:
    parameters = _parameters(3)
    states = OptimizerStates()
    states.take_from(_stepped(AdamW(parameters[:2]), parameters[:2]))

    assert not states.hand_to(AdamW(parameters))
    assert states.hand_to(AdamW(parameters[1:2]))


def test_what_gets_no_gradient_gets_no_state() -> None:
    parameters = _parameters(3)
    states = OptimizerStates()
    states.take_from(_stepped(AdamW(parameters), parameters))
    optimizer = AdamW(parameters)

    assert states.hand_to(optimizer, trained=parameters[:1])
    assert [parameter in optimizer.state for parameter in parameters] == [True, False, False]
