"""The books: what is held for backward, by whom, and what cannot be accounted for."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphs import record_graph
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness.measure.observe import Observation
from harness.measure.runner import exact_result
from harness.record.schema import Case
from harness.workload.huggingface import PRESETS
from harness.workload.model import Model
from harness.workload.models import MODELS
from harness.workload.sources import build
from harness.workload.step import Part, Step

BIG = ("resnet-50", "vit-b16", "bert-base", "gpt2")


def observed(module: nn.Module, *inputs: torch.Tensor) -> Observation:
    model = Model(module, inputs)
    return Observation(Step((Part("forward", model),), model, model))


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", [*MODELS, *(f"hf:{name}" for name in PRESETS if name not in BIG)])
def test_the_books_balance(name: str, mode: str) -> None:
    model = build(Case(question="grad_mode", model=name, batch_size=2, mode=mode))
    books = Observation(Step((Part("forward", model),), model, model)).books

    assert books.unaccounted == 0
    assert books.saved > 0 or name == "linear"  # which saves its input alone


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", BIG)
def test_the_books_of_the_big_ones_balance(name: str, mode: str) -> None:
    model = build(Case(question="grad_mode", model=f"hf:{name}", batch_size=1, mode=mode))
    books = Observation(Step((Part("forward", model),), model, model)).books

    assert books.unaccounted == 0
    assert books.saved > 75_000_000


@pytest.mark.parametrize("name", ["mlp-relu", "convnet", "transformer", "hf:gpt2-tiny"])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "autocast"])
def test_the_books_balance_in_other_dtypes(name: str, dtype: str) -> None:
    model = build(Case(question="grad_mode", model=name, batch_size=2, mode="train", dtype=dtype))

    assert Observation(Step((Part("forward", model),), model, model)).books.unaccounted == 0


class Unflattened(nn.Module):
    """Layers that torch writes into their input, or that make views, one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.second = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Take (N, 2, H, W), return (N, H, W, 4)."""
        hidden = self.drop(self.relu(self.first(images)))
        output: torch.Tensor = self.second(hidden.permute(0, 2, 3, 1))
        return output


@pytest.mark.skipif(
    not hasattr(nn.utils, "parametrizations") or not hasattr(nn.utils.parametrizations, "weight_norm"),
    reason="torch < 2.1 has no weight_norm of this kind; drop with that tox factor",
)
def test_the_books_balance_with_writes_in_place_and_views() -> None:
    torch.manual_seed(0)

    assert observed(Unflattened().train(), torch.randn(2, 2, 8, 8)).books.unaccounted == 0


def test_a_storage_counts_once_at_its_full_size_with_its_module_and_node() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 2)))
    inputs = torch.ones(16, 4)

    graph = record_graph(lambda: model(inputs), model, (inputs,))

    assert [(saved.bytes, saved.module, saved.node.rstrip("0123456789")) for saved in graph.saved] == [
        (16 * 8 * 4, "1.0", "GeluBackward"),  # what the first layer gave
        (16 * 8 * 4, "1.1", "AddmmBackward"),  # what GELU gave
    ]
    # addmm, gelu, addmm; the weights' transposes; the two weights and biases
    assert graph.nodes == 3 + 2 + 4
    assert graph.scalar_bytes == 0


def test_a_tensor_saved_by_many_counts_once() -> None:
    inputs = torch.ones(8, 8)
    weight = nn.Parameter(torch.ones(8, 8))

    class Thrice(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            """Use one hidden tensor, and views of it, three times."""
            hidden = values * weight
            return hidden.exp().sum() + (hidden * hidden).sum() + (hidden.t() * hidden[:4].sum()).sum()

    module = Thrice()
    graph = record_graph(lambda: module(inputs), module, (inputs, weight))

    # hidden; exp's result; the sum of half of it
    assert sorted(saved.bytes for saved in graph.saved) == [4, 256, 256]


def test_parameters_buffers_inputs_and_outputs_are_not_what_the_graph_holds() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
    inputs = torch.ones(2, 4)

    # The layer saves its input and weight, the sigmoid its result, which is the output.
    assert record_graph(lambda: module(inputs), module, (inputs,)).saved == ()


def test_nothing_is_saved_where_nothing_is_recorded() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    inputs = torch.ones(2, 4)
    graph = record_graph(torch.no_grad()(lambda: module(inputs)), module, (inputs,))

    assert (graph.saved, graph.nodes, graph.scalar_bytes) == ((), 0, 0)


def test_looking_leaves_no_hook_behind_and_frees_the_graph() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    inputs = torch.ones(2, 4)
    seen = observed(module, inputs)
    before = seen.books

    for child in module.modules():
        assert not child._forward_hooks
        assert not child._forward_pre_hooks
    assert observed(module, inputs).books == before


class Stash(torch.autograd.Function):
    """Doubles, and hides a tensor on its context instead of saving it."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.x = values * 3
        return values * 2

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:  # noqa: ARG004 (autograd's signature)
        return grads[0] * 2


class Stashing(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values of any shape."""
        output: torch.Tensor = Stash.apply(values)
        return output


def test_a_stash_is_reported_with_its_bytes_its_operator_and_its_module() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.Sequential(Stashing(), nn.Linear(32, 4)))
    seen = observed(model, torch.randn(8, 16))

    assert seen.books.unaccounted == 8 * 32 * 4
    assert [(block.bytes, block.operator, block.module) for block in seen.unaccounted] == [
        (1024, "aten::mul", "1.0")
    ]


def test_stashes_are_told_apart_largest_first() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Stashing(), nn.Linear(16, 64), Stashing(), nn.Linear(64, 2))
    model[0].requires_grad_()
    inputs = torch.randn(8, 16, requires_grad=True)
    result = exact_result("grad", observed(model, inputs))

    assert result.counts["unaccounted"] == 8 * 16 * 4 + 8 * 64 * 4
    assert [(block.bytes, block.module) for block in result.blocks] == [(2048, "2"), (512, "0")]


def test_books_that_balance_have_no_blocks_to_name() -> None:
    assert observed(nn.Linear(4, 4), torch.ones(2, 4)).unaccounted == ()


class Keeping(nn.Module):
    """Keeps an activation on itself, as some models do for later use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.kept: torch.Tensor | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values (N, 16)."""
        self.kept = self.layer(values)
        return torch.nn.functional.gelu(self.kept)


def test_an_activation_that_a_module_keeps_is_not_what_the_graph_holds() -> None:
    # It is held without a graph too, and saved with one.
    books = observed(Keeping(), torch.randn(8, 16)).books

    assert (books.spared, books.saved, books.unaccounted) == (0, 0, 0)


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values (N, 16)."""
        output: torch.Tensor = checkpoint(self.inner, values, use_reentrant=False)
        return output


def test_the_state_of_the_generator_that_checkpoint_keeps_is_a_finding() -> None:
    seen = observed(Checkpointed(), torch.randn(8, 16, requires_grad=True))

    assert seen.books.unaccounted == 5056  # the CPU generator's state
    assert [(block.bytes, block.operator) for block in seen.unaccounted] == [(5056, "torch.get_rng_state")]


class _CheckpointedRow(nn.Module):
    def __init__(self, *, keeps_generator: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(32, 32), nn.GELU()) for _ in range(4))
        self.head = nn.Linear(32, 4)
        self.keeps_generator = keeps_generator

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Take values (N, 32), return logits (N, 4)."""
        for block in self.blocks:
            hidden = checkpoint(block, hidden, use_reentrant=False, preserve_rng_state=self.keeps_generator)
        return self.head(hidden)


@pytest.mark.parametrize("frozen", range(5))
def test_what_a_frozen_checkpointed_region_drops_again_is_not_saved(frozen: int) -> None:
    module = _CheckpointedRow(keeps_generator=False)
    module.blocks[:frozen].requires_grad_(requires_grad=False)
    books = observed(module, torch.randn(8, 32)).books

    # A region keeps its input, but the model's own input is there anyway; so does the head.
    assert books.saved == 8 * 32 * 4 * min(4, 5 - frozen)
    assert books.unaccounted == 0


def test_of_checkpointed_regions_only_the_trained_ones_keep_the_state_of_the_generator() -> None:
    module = _CheckpointedRow(keeps_generator=True)
    module.blocks[:3].requires_grad_(requires_grad=False)
    seen = observed(module, torch.randn(8, 32))

    assert seen.books.unaccounted == 5056
    assert [(block.bytes, block.operator) for block in seen.unaccounted] == [(5056, "torch.get_rng_state")]


@pytest.mark.parametrize("region", [torch.no_grad, torch.inference_mode])
def test_the_books_of_a_pass_that_records_nothing_are_empty(region: Callable[[], Any]) -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.GELU())
    model = Model(module, (torch.ones(2, 8),))

    def forward() -> object:
        with region():
            return model()

    books = Observation(Step((Part("forward", forward),), model, forward)).books

    assert (books.retained, books.retained_no_grad, books.saved, books.unaccounted) == (64, 64, 0, 0)


def test_unaccounted_blocks_of_a_clean_pass_are_none() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.GELU())
    inputs = torch.ones(2, 8)

    assert observed(module, inputs).unaccounted == ()
