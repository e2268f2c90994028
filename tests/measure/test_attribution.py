"""The peak's shares, against the allocator's own events and against bytes computed by hand."""

from collections import Counter

import pytest
import torch
from graphs import record_graph
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness.measure.attribution import attribute_peak, lasting_bytes, saved_shares
from harness.measure.observe import Observation
from harness.measure.timeline import allocated
from harness.record.names import GRADIENTS, TEMPORARIES
from harness.record.schema import Attribution, Case
from harness.workload.model import Model
from harness.workload.sources import build
from harness.workload.step import Part, Step
from harness.workload.training import training_step

_LASTING = {"parameters", "buffers", "inputs", "optimizer state"}


def _by_category(attribution: Attribution) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for share in attribution.shares:
        sizes[share.category] += share.bytes
    return sizes


def _assert_exact(step: Step) -> Attribution:
    """Every byte of the peak that the allocator saw without hooks is in exactly one share."""
    peak = Observation(step).whole.peak_bytes()
    found = attribute_peak(step)
    sizes = _by_category(found)
    assert found.above_start == peak
    assert sum(size for name, size in sizes.items() if name not in _LASTING) == peak
    assert found.peak == sum(sizes.values()) == lasting_bytes(step) + peak
    return found


def _forward_step(model: Model) -> Step:
    return Step((Part("forward", model.__call__),), model, model.__call__)


@pytest.mark.parametrize("target", ["linear", "mlp-relu", "mlp-gelu", "convnet", "lstm", "transformer"])
def test_the_shares_of_a_training_step_add_up_to_the_peak(target: str) -> None:
    _assert_exact(training_step(build(Case(question="", model=target, batch_size=4, mode="train"))))


@pytest.mark.parametrize("target", ["mlp-gelu", "convnet", "transformer"])
def test_the_shares_of_a_forward_pass_add_up_to_the_peak(target: str) -> None:
    _assert_exact(_forward_step(build(Case(question="", model=target, batch_size=4))))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["hf:resnet-50", "hf:vit-b16", "hf:bert-base", "hf:gpt2"])
def test_real_models_add_up_to_the_byte_and_their_books_balance(target: str) -> None:
    pytest.importorskip("transformers")
    step = training_step(build(Case(question="", model=target, batch_size=1, mode="train")))
    _assert_exact(step)
    assert Observation(step).books.unaccounted == 0


def test_the_bytes_of_each_category_are_those_computed_by_hand() -> None:
    torch.manual_seed(0)
    model = Model(nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU()), (torch.randn(4, 8),))
    sizes = _by_category(_assert_exact(_forward_step(model)))
    # The result of ReLU is its output and what it saves; the linear layer's result lives until ReLU returns.
    assert sizes == {
        "parameters": 8 * 16 * 4,
        "inputs": 4 * 8 * 4,
        "outputs": 4 * 16 * 4,
        "temporaries": 4 * 16 * 4,
    }


def test_a_saved_block_names_its_module_and_operator() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 64), nn.Sequential(nn.GELU(), nn.Linear(64, 2)))
    shares = attribute_peak(_forward_step(Model(layers, (torch.randn(4, 8),)))).shares
    saved = {
        (share.module, share.kind, share.operator): share.bytes
        for share in shares
        if share.category == "saved"
    }
    assert saved == {("1.0", "GELU", "gelu"): 1024, ("1.1", "Linear", "addmm"): 1024}


def test_gradients_and_optimizer_state_belong_to_their_parameters_module() -> None:
    model = build(Case(question="", model="mlp-relu", batch_size=64, mode="train"))
    shares = attribute_peak(training_step(model)).shares
    gradients = {share.module: share.bytes for share in shares if share.category == "gradients"}
    state = {share.module: share.bytes for share in shares if share.category == "optimizer state"}
    assert gradients == {"0": 526_336, "2": 1_050_624, "4": 20_520}
    assert state == {"0": 2 * 526_336 + 8, "2": 2 * 1_050_624 + 8, "4": 2 * 20_520 + 8}


class _Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(32, 32), nn.GELU()) for _ in range(3))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            hidden = checkpoint(layer, hidden, use_reentrant=False)
        return hidden


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.tied = nn.Linear(16, 16, bias=False)
        self.tied.weight = self.layer.weight
        self.register_buffer("shift", torch.ones(16))

    def forward(self, hidden: torch.Tensor) -> dict[str, object]:
        hidden = self.layer(torch.relu_(self.layer(hidden)))
        return {"deep": (self.tied(hidden) + self.shift,)}


@pytest.mark.parametrize("module", [_Checkpointed(), _Twice()])
def test_checkpointing_tied_weights_and_modules_called_twice_add_up(module: nn.Module) -> None:
    width = next(module.parameters()).shape[-1]
    _assert_exact(training_step(Model(module, (torch.randn(8, width),))))


class _Replaces(nn.Module):
    """Frees what was there before the step and holds something smaller."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.held = torch.ones(1000)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.held = torch.ones(1000)
        return self.layer(batch)


def test_a_block_that_is_freed_since_the_start_is_named() -> None:
    step = _forward_step(Model(_Replaces(), (torch.randn(2, 4),)))
    found = attribute_peak(step)
    sizes = _by_category(found)
    assert sum(size for name, size in sizes.items() if name not in _LASTING) == found.above_start


def test_saved_shares_add_up_to_the_books() -> None:
    model = build(Case(question="", model="transformer", batch_size=2))
    graph = record_graph(model.__call__, model.module, model.inputs)
    shares = saved_shares(graph, model.module)
    assert sum(share.bytes for share in shares) == sum(saved.bytes for saved in graph.saved) > 0
    assert {share.kind for share in shares} >= {"LayerNorm", "MultiheadAttention"}
    assert "native_layer_norm" in {share.operator for share in shares}


def test_the_timeline_rises_to_the_peak_and_marks_the_parts() -> None:
    step = training_step(build(Case(question="", model="mlp-relu", batch_size=4, mode="train")))
    observation = Observation(step)
    seen = observation.whole
    line = allocated(step, seen, observation.forward)
    assert line.parts == ("forward", "backward", "optimizer")
    assert max(line.levels) == seen.peak_bytes()
    assert line.levels[-1] == seen.retained_bytes() == 0
    assert list(line.times) == sorted(line.times)
    assert line.marks[0] == 0
    assert len(line.marks) == 4
    assert line.times[-1] <= line.marks[-1]


def test_the_timeline_says_who_holds_each_byte() -> None:
    step = training_step(build(Case(question="", model="mlp-relu", batch_size=4, mode="train")))
    observation = Observation(step)
    line = allocated(step, observation.whole, observation.forward)
    held = dict.fromkeys(line.holders, 0)
    at_end_of = {part: dict(held) for part in line.parts}
    before = 0
    for of, time, level in zip(line.of, line.times, line.levels, strict=True):
        held[line.holders[of]] += level - before
        before = level
        for part, end in zip(line.parts, line.marks[1:], strict=True):
            if time <= end:
                at_end_of[part] = dict(held)

    assert all(at_end_of[part][TEMPORARIES] == 0 for part in line.parts)
    assert at_end_of["backward"][GRADIENTS] == observation.gradient_bytes
    modules = {path for path, _ in step.model.module.named_modules()}
    saved = {name: size for name, size in at_end_of["forward"].items() if size}
    assert saved.keys() <= modules
    assert sum(saved.values()) == observation.whole.stretch(0).retained_bytes()


def test_a_timeline_says_nothing_of_holders_where_the_forward_pass_was_another_one() -> None:
    step = training_step(build(Case(question="", model="mlp-relu", batch_size=4, mode="train")))
    other = Observation(training_step(build(Case(question="", model="mlp-relu", batch_size=8, mode="train"))))
    line = allocated(step, Observation(step).whole, other.forward)

    assert (line.holders, line.of) == ((), ())
    assert line.levels
