"""What is refused before any rank is asked; wrapping itself is tested with real ranks."""

import pytest
import torch
from torch import nn

from harness.record.schema import Case
from harness.workload.model import Model, UnsupportedError, WorkloadError
from harness.workload.questions.ranks import QUESTION
from harness.workload.wrapping import check_wrap, unused_parameters, wrapped

INPUTS = (torch.ones(2, 4),)


@pytest.fixture
def _ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)


def test_without_ranks_the_command_that_starts_them_is_said() -> None:
    case = Case(question="ranks", model="linear", variant="ddp-2-ranks")
    with pytest.raises(WorkloadError, match="start them with torchrun --nproc-per-node 2 -m harness measure"):
        QUESTION.build(case, "all trainable", Model(nn.Linear(4, 4), INPUTS))


def test_an_unknown_wrap_is_refused() -> None:
    with pytest.raises(WorkloadError, match="no wrap 'fsdp'; there are ddp, fsdp2"):
        check_wrap("fsdp")


def test_a_torch_without_fsdp2_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.distributed.fsdp.fully_shard", raising=False)
    with pytest.raises(UnsupportedError, match=r"has no torch\.distributed\.fsdp\.fully_shard \(FSDP2\)"):
        check_wrap("fsdp2")


@pytest.mark.usefixtures("_ranks")
def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(WorkloadError, match="the model has no parameters, so that ddp has nothing to wrap"):
        wrapped(Model(nn.ReLU(), INPUTS), "ddp")


@pytest.mark.usefixtures("_ranks")
def test_a_model_that_is_all_frozen_is_refused() -> None:
    module = nn.Linear(4, 4).requires_grad_(requires_grad=False)
    with pytest.raises(WorkloadError, match="no parameter is trainable, so that ddp has nothing to send"):
        wrapped(Model(module, INPUTS), "ddp")


@pytest.mark.usefixtures("_ranks")
def test_what_torch_refuses_to_wrap_is_said_in_one_line() -> None:
    lazy = nn.Sequential(nn.Linear(4, 4), nn.LazyLinear(4))
    with pytest.raises(WorkloadError, match=r"^ddp refuses the model: \w+: [^\n]+$"):
        wrapped(Model(lazy, INPUTS, loss=lambda _output: torch.ones((), requires_grad=True)), "ddp")


class HalfUsed(nn.Module):
    """Uses one of its two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.used(values)
        return result


def test_trainable_parameters_that_get_no_gradient_are_found() -> None:
    model = Model(HalfUsed(), INPUTS)

    assert unused_parameters(model) == ("unused.weight", "unused.bias")
    assert all(parameter.grad is None for parameter in model.module.parameters())
