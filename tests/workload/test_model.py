"""A model's loss, its head and its trunk."""

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from harness.workload.head import trunk_modules
from harness.workload.model import Model, WorkloadError, mean_square
from harness.workload.tensors import tensors_in


@dataclass(frozen=True)
class Output:
    labels: torch.Tensor
    logits: torch.Tensor


def test_the_loss_is_the_mean_square_of_the_first_floating_point_tensor() -> None:
    output = Output(labels=torch.tensor([9, 9]), logits=torch.tensor([1.0, 3.0]))

    assert mean_square(output).item() == 5.0


def test_an_output_without_floating_point_numbers_has_no_loss() -> None:
    with pytest.raises(
        WorkloadError, match=r"^the output holds no floating-point tensor to take a loss of: list"
    ):
        mean_square([torch.tensor([1])])


def test_tensors_are_found_in_nested_values_in_their_order() -> None:
    first, second, third, fourth = (torch.tensor(float(number)) for number in range(4))
    nested = {"a": [first, (second, None)], "b": Output(third, fourth), "c": "text"}

    assert [tensor.item() for tensor in tensors_in(nested)] == [0.0, 1.0, 2.0, 3.0]


class Keywords(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Take the difference, which tells the arguments apart."""
        return left - right


def test_inputs_are_arguments_by_place_or_by_name() -> None:
    two, five = torch.tensor(2.0), torch.tensor(5.0)

    assert Model(Keywords(), (two, five))().item() == -3.0  # type: ignore[attr-defined]
    assert Model(Keywords(), {"right": two, "left": five})().item() == 3.0  # type: ignore[attr-defined]


def test_an_autocast_region_is_around_the_forward_pass_alone() -> None:
    model = Model(nn.Linear(4, 4), (torch.ones(1, 4),), autocast=torch.bfloat16)

    output = model()

    assert isinstance(output, torch.Tensor)
    assert output.dtype is torch.bfloat16
    assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype is torch.float32


def nested() -> nn.Module:
    """Return stem, body (inner, head) and a last activation: the head lies inside the body."""
    body = nn.Sequential(OrderedDict(inner=nn.Linear(2, 2), head=nn.Linear(2, 1)))
    return nn.Sequential(OrderedDict(stem=nn.Linear(2, 2), body=body, last=nn.Tanh()))


def test_the_head_is_the_last_module_that_owns_parameters() -> None:
    module = nested()
    model = Model(module, ())

    assert model.head_module() is module.get_submodule("body.head")


def test_a_named_head_may_be_any_submodule() -> None:
    module = nested()

    assert Model(module, (), head="body").head_module() is module.get_submodule("body")


def test_the_trunk_is_what_lies_beside_the_head() -> None:
    module = nested()
    names = {id(child): name for name, child in module.named_modules()}

    trunk = trunk_modules(Model(module, (torch.randn(3, 2),)))

    assert [names[id(child)] for child in trunk] == ["stem", "body.inner", "last"]


def test_every_parameter_is_the_heads_or_the_trunks() -> None:
    model = Model(nested(), ())

    assert sorted(map(id, [*model.head_parameters(), *model.trunk_parameters()])) == sorted(
        map(id, model.module.parameters())
    )


def test_tied_weights_belong_to_the_head() -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    model = Model(module, ())

    assert model.trunk_parameters() == []
    assert len(model.head_parameters()) == 1


def test_a_head_that_is_not_there_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"^the model has no submodule 'nose' to be its head$"):
        Model(nested(), (), head="nose").head_module()


def test_a_model_without_parameters_has_no_head() -> None:
    with pytest.raises(WorkloadError, match=r"^the model has no parameters, so it has no head"):
        Model(nn.Tanh(), ()).head_module()
