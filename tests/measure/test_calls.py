"""Which module calls which operator itself, of real models."""

import torch
from torch import nn

from harness.measure.calls import calls_of
from harness.measure.observe import Observation
from harness.record.schema import Calls
from harness.workload.model import Model
from harness.workload.step import Part, Step
from harness.workload.training import training_step


class Block(nn.Module):
    """A layer, and two operators of the block's own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.linear(inputs)
        return output.reshape(-1).reshape(2, 4)


def model() -> Model:
    return Model(nn.Sequential(Block(), Block()), (torch.ones(2, 4),))


def forward(of: Model) -> Step:
    return Step((Part("forward", of),), of, of)


def test_modules_that_call_alike_are_in_one_group_and_operators_inside_operators_are_left_out() -> None:
    assert set_of(calls_of(Observation(forward(model())))) == {
        ("Block", ("0", "1"), (("reshape", 2),)),
        ("Linear", ("0.linear", "1.linear"), (("linear", 1),)),
    }


def set_of(calls: tuple[Calls, ...]) -> set[tuple[str, tuple[str, ...], tuple[tuple[str, int], ...]]]:
    return {(one.kind, one.modules, tuple(one.operators.items())) for one in calls}


def test_what_follows_the_forward_pass_is_told_by_the_part_of_the_step() -> None:
    parts = {
        one.modules[0]: one.operators for one in calls_of(Observation(training_step(model()))) if not one.kind
    }

    assert list(parts) == ["backward", "optimizer"]
    assert parts["backward"]["torch::autograd::AccumulateGrad"] == 4  # two weights, two biases
