"""What is said of a model that is not measured as it was handed over, or not as an evaluation would be."""

import pytest
from torch import nn

from harness.measure.handover import changes
from harness.measure.plan import Plan
from harness.setting import Setting
from harness.workload.model import Model
from harness.workload.models import Entry

_TRAIN_MODE = "forward passes are in train mode, as handed over; --eval shows what an evaluation takes"


def _said(module: nn.Module, mode: str = "") -> list[str]:
    own = "train" if module.training else "eval"
    entry = Entry("nets:make", lambda _size: Model(module, ()), 1, mode=own)
    return list(changes(entry, Plan((), Setting(mode=mode)), module, trains=True))


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.BatchNorm1d(4), nn.TransformerEncoderLayer(8, 2)])
def test_a_forward_pass_in_train_mode_is_told_where_an_evaluation_takes_another(layer: nn.Module) -> None:
    assert _said(nn.Sequential(nn.Linear(4, 4), layer)) == [_TRAIN_MODE]


def test_nothing_is_said_where_the_mode_was_asked_for_or_makes_no_difference() -> None:
    assert _said(nn.Sequential(nn.Linear(4, 4), nn.Dropout()), mode="train") == []
    assert _said(nn.Sequential(nn.Linear(4, 4), nn.ReLU())) == []
