"""The blocks of a model, and the arms of its freezing curve."""

import pytest
import torch
from torch import nn

from harness.record.schema import Case
from harness.workload.blocks import find_blocks
from harness.workload.freezing_curve import arms_of, curve_question, places
from harness.workload.model import Model, WorkloadError
from harness.workload.sources import build


def test_the_blocks_of_a_row_of_layers_are_its_layers() -> None:
    blocks = find_blocks(build(Case(question="", model="transformer", batch_size=2)))
    assert blocks.paths == ("0.layers.0", "0.layers.1")
    assert blocks.before[0] == frozenset()
    assert all(name.startswith("0.layers.0.") for name in blocks.before[1])
    assert "1.weight" not in blocks.before[2]


def test_the_blocks_of_a_dictionary_of_layers_are_its_layers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("first", "second", "third")})

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            for layer in self.layers.values():
                rows = layer(rows)
            return rows

    blocks = find_blocks(Model(Net(), (torch.ones(2, 4),)))

    assert blocks.paths == ("layers.first", "layers.second", "layers.third")


def test_without_alike_layers_the_blocks_are_the_children_that_own_parameters() -> None:
    blocks = find_blocks(build(Case(question="", model="mlp-relu", batch_size=2)))
    assert blocks.paths == ("0", "2", "4")
    assert blocks.before[2] == {"0.weight", "0.bias", "2.weight", "2.bias"}


class _Tied(nn.Module):
    """An embedding that is the head's weight too, and blocks that run in the order opposite to their list."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 20, bias=False)
        self.scale = nn.Parameter(torch.ones(8))
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.embed = nn.Embedding(20, 8)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(ids) * self.scale
        for block in reversed(self.blocks):
            hidden = block(hidden)
        return self.head(hidden)


def _tied() -> Model:
    return Model(_Tied(), (torch.randint(0, 20, (2, 3)),))


def test_what_runs_before_a_block_is_frozen_with_it_and_tied_weights_count_where_they_are_used_first() -> (
    None
):
    blocks = find_blocks(_tied())
    assert blocks.paths == ("blocks.1", "blocks.0")
    # The parameter is named after the head, which is registered first; it is used by the embedding first.
    assert blocks.before[1] == {"head.weight", "scale", "blocks.1.weight", "blocks.1.bias"}


def test_named_blocks_are_taken_and_a_missing_one_is_refused() -> None:
    model = build(Case(question="", model="mlp-relu", batch_size=2))
    named = Model(model.module, model.inputs, blocks=("2", "4"))
    assert find_blocks(named).paths == ("2", "4")
    with pytest.raises(WorkloadError, match="no submodule 'nine' to be a block"):
        find_blocks(Model(model.module, model.inputs, blocks=("0", "nine")))


def test_a_model_of_one_layer_has_no_row() -> None:
    with pytest.raises(WorkloadError, match="no row of blocks"):
        find_blocks(Model(nn.Linear(2, 2), (torch.randn(1, 2),)))


def test_few_stages_are_taken_apart_into_the_blocks_in_them() -> None:
    pytest.importorskip("transformers")
    blocks = find_blocks(build(Case(question="", model="hf:gpt2-tiny", batch_size=1)))
    assert blocks.paths == ("transformer.h.0", "transformer.h.1")


def test_a_long_row_is_frozen_at_sixteen_evenly_spaced_places() -> None:
    assert places(2) == (0, 1, 2)
    assert places(15) == tuple(range(16))
    spaced = places(48)
    assert len(spaced) == len(set(spaced)) == 16
    assert (spaced[0], spaced[-1]) == (0, 48)


def test_every_arm_of_the_curve_freezes_its_blocks_and_saves_less() -> None:
    case = Case(question="freezing_curve", model="mlp-relu", batch_size=2, mode="train")
    question = curve_question(find_blocks(build(case)))
    assert arms_of(3) == {
        "nothing frozen": 0,
        "first 1 of 3 frozen": 1,
        "first 2 of 3 frozen": 2,
        "first 3 of 3 frozen": 3,
    }
    trainable = []
    for arm in arms_of(3):
        model = build(case)
        question.build(case, arm, model)
        trainable.append(sum(parameter.requires_grad for parameter in model.module.parameters()))
    assert trainable == [6, 4, 2, 0]


def _stage(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU())


def test_stages_with_pooling_between_them_are_the_blocks_of_a_body_that_is_one_sequence() -> None:
    body = nn.Sequential(_stage(3, 4), _stage(4, 4), nn.MaxPool2d(2), _stage(4, 8))
    module = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))

    assert find_blocks(Model(module, (torch.randn(2, 3, 8, 8),))).paths == ("0.0", "0.1", "0.3", "3")


def test_a_stage_whose_children_have_none_stays_whole() -> None:
    module = nn.Sequential(_stage(3, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    assert find_blocks(Model(module, (torch.randn(2, 3, 8, 8),))).paths == ("0", "3")
