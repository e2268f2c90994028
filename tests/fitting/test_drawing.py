"""The modules that draw random numbers are told from those around and inside them."""

import torch
from torch import nn

from harness.fitting.drawing import drawing_modules, in_eval_mode
from harness.workload.model import Model


class Noise(nn.Module):
    """Adds noise of a generator of its own, and runs a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.generator = torch.Generator()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = self.linear(rows)
        return rows + torch.rand(rows.shape, generator=self.generator) if self.training else rows


class Inside(nn.Module):
    """Draws between the calls of its children."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.last(nn.functional.dropout(self.first(rows), training=self.training))
        return last


def test_only_the_modules_that_draw_themselves_are_named() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(Inside(), Noise()))

    assert drawing_modules(Model(module, (torch.ones(2, 4),))) == ("1", "2.0", "2.1")


def test_what_draws_nothing_in_eval_mode_is_not_named() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).eval()

    assert drawing_modules(Model(module, (torch.ones(2, 4),))) == ()


def test_looking_leaves_generators_buffers_and_hooks_as_they_were() -> None:
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = torch.get_rng_state()

    drawing_modules(Model(module, (torch.ones(2, 4),)))

    assert torch.equal(torch.get_rng_state(), before)
    assert int(module[0].num_batches_tracked) == 0
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())


def test_a_module_is_put_in_eval_mode_without_its_children_and_back() -> None:
    module = nn.Sequential(nn.Sequential(nn.Dropout(0.5)), nn.Dropout(0.5))

    with in_eval_mode(module, ("0",)):
        modes = {path: child.training for path, child in module.named_modules()}

    assert modes == {"": True, "0": False, "0.0": True, "1": True}
    assert all(child.training for child in module.modules())
