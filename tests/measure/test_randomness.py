"""Whether a number that a pass reads depends on random numbers: what tells random depth from a mask."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.measure.exact import exact_numbers
from harness.measure.observe import Observation
from harness.measure.randomness import reads_random_values
from harness.workload.model import Model
from harness.workload.step import Part, Step


def _depth() -> bool:
    return bool(torch.rand(()) < 0.5)


def _computed() -> float:
    return float((functional.dropout(torch.ones(64)) * 2).reshape(8, 8)[0].sum())


def _written() -> float:
    values = torch.zeros(4)
    values[:2] = torch.rand(2)
    return values.sum().item()


def _into() -> float:
    values = torch.empty(4)
    torch.add(torch.rand(4), 1, out=values)
    return values.sum().item()


def _mask_after_dropout() -> bool:
    functional.dropout(torch.ones(64))
    return bool(torch.ones(4).all())


def _at_an_address_used_before() -> float:
    for _ in range(8):
        drawn = torch.rand(64)
        del drawn
        read = torch.ones(64).sum().item()
    return read


@pytest.mark.parametrize("forward", [_depth, _computed, _written, _into])
def test_what_was_drawn_is_followed_to_where_it_is_read(forward: Callable[[], object]) -> None:
    assert reads_random_values(forward)


@pytest.mark.parametrize("forward", [_mask_after_dropout, _at_an_address_used_before, lambda: torch.rand(4)])
def test_what_does_not_depend_on_it_may_be_read(forward: Callable[[], object]) -> None:
    assert not reads_random_values(forward)


class _Masked(nn.Module):
    """Dropout, then a look at a mask, or at what was dropped."""

    def __init__(self, *, reads_mask: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.reads_mask = reads_mask
        self.calls = type("Calls", (), {"number": 0})

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Take values (N, 8) and a mask of any shape, return values (N, 8)."""
        self.calls.number += 1
        values = functional.dropout(self.layer(values), 0.5)
        read = mask if self.reads_mask else values > -1e9
        return values if bool(read.all()) else values * mask


@pytest.mark.parametrize(("reads_mask", "calls"), [(True, 5), (False, 15)])
def test_two_passes_that_are_alike_are_enough_where_no_drawn_value_is_read(
    *, reads_mask: bool, calls: int
) -> None:
    module = _Masked(reads_mask=reads_mask)
    model = Model(module, (torch.ones(4, 8), torch.ones(8)))
    exact = exact_numbers(Observation(Step((Part("forward", model),), model, model)))

    assert exact.varies == {}
    # Two passes, one under `no_grad`, one that follows what is drawn, one that sees which line reads; with
    # three seeds more those of each.
    assert module.calls.number >= calls if not reads_mask else module.calls.number == calls
