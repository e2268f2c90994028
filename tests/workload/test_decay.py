"""The decay rules, name by name, against literals and against the rule's own source."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from harness.record.schema import Case
from harness.workload.decay import POLICIES, check_groups, decay_groups
from harness.workload.model import UnsupportedError, WorkloadError
from harness.workload.questions.decay_groups import EVERYWHERE, make_optimizer
from harness.workload.sources import build
from harness.workload.step import DecayGroup


class Telling(nn.Module):
    """Where the rules disagree: an embedding, a norm with a two-dimensional name, a scale, a position."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.position = nn.Parameter(torch.zeros(1, 3, 4))
        self.scale = nn.Parameter(torch.ones(4))
        self.linear = nn.Linear(4, 4)
        self.layers = nn.ModuleDict({"norm": nn.BatchNorm1d(4)})
        self.last = nn.LayerNorm(4)

    def no_weight_decay(self) -> set[str]:
        """Name what timm's rule leaves out."""
        return {"position"}


def names(module: nn.Module, group: DecayGroup) -> set[str]:
    wanted = {id(parameter) for parameter in group.parameters}
    return {name for name, parameter in module.named_parameters() if id(parameter) in wanted}


ALL = {
    "position",
    "scale",
    "embed.weight",
    "linear.weight",
    "linear.bias",
    "layers.norm.weight",
    "layers.norm.bias",
    "last.weight",
    "last.bias",
}


@pytest.mark.parametrize(
    ("policy", "decayed"),
    [
        ("one group", ALL),
        ("weights and biases", {"embed.weight", "linear.weight", "layers.norm.weight", "last.weight"}),
        ("nanogpt", {"position", "embed.weight", "linear.weight"}),
        ("timm", {"embed.weight", "linear.weight"}),
        ("hugging face", {"position", "scale", "embed.weight", "linear.weight"}),
    ],
)
def test_a_rule_decays_these_and_no_others(policy: str, decayed: set[str]) -> None:
    module = Telling()
    groups = decay_groups(module, policy, 0.01)

    assert names(module, groups[0]) == decayed
    assert groups[0].weight_decay == 0.01
    assert [(group.weight_decay, names(module, group)) for group in groups[1:]] == (
        [(0.0, ALL - decayed)] if decayed != ALL else []
    )


def test_one_group_a_parameter_decays_each_by_itself() -> None:
    module = Telling()
    groups = decay_groups(module, "one group a parameter", 0.01)

    assert [(group.name, len(group.parameters), group.weight_decay) for group in groups] == [
        (name, 1, 0.01) for name, _ in module.named_parameters()
    ]


def test_the_books_example_decays_the_weight_alone() -> None:
    module = build(Case(question="decay_groups", model="linear")).module
    decayed, rest = decay_groups(module, "weights and biases", 3.0)

    assert names(module, decayed) == {"0.weight"}
    assert names(module, rest) == {"0.bias"}
    assert rest.weight_decay == 0.0


@pytest.mark.parametrize("name", ["hf:bert-tiny", "hf:gpt2-tiny", "hf:vit-tiny", "hf:resnet-tiny"])
def test_the_hugging_face_rule_is_that_of_its_trainer(name: str) -> None:
    transformers = pytest.importorskip("transformers", minversion="4.56")  # older rules had other patterns
    module = build(Case(question="decay_groups", model=name)).module
    # It reads nothing of the trainer that it is a method of.
    expected = set(transformers.Trainer.get_decay_parameter_names(None, module))
    expected &= dict(module.named_parameters()).keys()  # it lists tied parameters under each of their names

    assert names(module, decay_groups(module, "hugging face", 0.01)[0]) == expected


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["linear", "convnet", "lstm", "transformer", "hf:gpt2-tiny"])
def test_every_trainable_parameter_is_in_exactly_one_group(name: str, policy: str) -> None:
    module = build(Case(question="decay_groups", model=name)).module
    frozen = next(module.parameters())
    frozen.requires_grad = False
    groups = decay_groups(module, policy, 0.01)

    check_groups(module, groups)
    held = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(held) == sorted(
        id(parameter) for parameter in module.parameters() if parameter is not frozen
    )


def test_a_parameter_in_no_group_is_named() -> None:
    module = nn.Linear(2, 2)
    group = DecayGroup("decayed", 0.01, (module.weight,))

    with pytest.raises(
        WorkloadError, match=r"^parameter 'bias' is in no group; it has to be in exactly one$"
    ):
        check_groups(module, (group,))


def test_a_parameter_in_two_groups_is_named() -> None:
    module = nn.Linear(2, 2)
    group = DecayGroup("decayed", 0.01, (module.weight, module.bias))

    with pytest.raises(
        WorkloadError, match=r"^parameter 'weight' is in 2 groups; it has to be in exactly one$"
    ):
        check_groups(module, (group, DecayGroup("again", 0.0, (module.weight,))))


def test_a_group_of_something_else_is_named() -> None:
    stranger = DecayGroup("strange", 0.0, (nn.Parameter(torch.zeros(1)),))

    with pytest.raises(
        WorkloadError, match=r"^group 'strange' holds a parameter that the model does not train$"
    ):
        check_groups(nn.Linear(2, 2), (stranger,))


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        WorkloadError, match=r"^no decay policy 'fastai'; there are one group, weights and biases, "
    ):
        decay_groups(nn.Linear(2, 2), "fastai", 0.01)


def test_an_unknown_optimizer_is_refused_with_those_there_are() -> None:
    with pytest.raises(WorkloadError, match=r"^no optimizer 'lion-foreach'; there are sgd-for-loop, "):
        make_optimizer("lion-foreach", ())


@pytest.mark.parametrize("variant", EVERYWHERE)
def test_an_optimizer_is_what_its_name_says_or_torch_refuses_it(variant: str) -> None:
    module = nn.Linear(2, 2)
    groups = decay_groups(module, "nanogpt", 0.01)
    if variant.endswith("fused") and torch.__version__.startswith("2.0."):  # the other two are in every torch
        with pytest.raises(UnsupportedError, match=f"^torch refuses {variant}: "):
            make_optimizer(variant, groups)
        return
    optimizer = make_optimizer(variant, groups)

    assert type(optimizer) is (SGD if variant.startswith("sgd") else AdamW)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    for group in optimizer.param_groups:
        assert bool(group.get("fused")) is variant.endswith("fused")
        assert bool(group["foreach"]) is variant.endswith("foreach")
