"""The oracle that the books are held against, on calls whose bytes are counted by hand."""

from collections.abc import Callable

import pytest
import torch
from measure.oracle import Alive, alive_after
from torch import nn
from torch.utils.checkpoint import checkpoint


@pytest.fixture
def weight() -> torch.Tensor:
    """Return 96 B, made in the test: of what is older, the oracle sees as little as the collector."""
    return torch.ones(4, 6, requires_grad=True)


def alive(call: Callable[[], torch.Tensor]) -> Alive:
    def returned(result: object) -> list[torch.Tensor]:
        assert isinstance(result, torch.Tensor)
        return [result]

    return alive_after(call, returned)


def test_what_is_saved_and_returned_is_an_output(weight: torch.Tensor) -> None:
    assert alive(weight.exp) == Alive(retained=96, saved=0, scalars=0, states=0)


def test_what_the_graph_alone_holds_is_saved(weight: torch.Tensor) -> None:
    assert alive(lambda: weight.exp().sin()) == Alive(retained=192, saved=96, scalars=0, states=0)


def test_nothing_is_saved_without_a_graph(weight: torch.Tensor) -> None:
    with torch.no_grad():
        assert alive(lambda: weight.exp().sin()) == Alive(retained=96, saved=0, scalars=0, states=0)


def test_what_was_there_before_is_nobodys(weight: torch.Tensor) -> None:
    constant = torch.ones(4, 6)

    assert alive(lambda: (weight * constant).view(24)) == Alive(retained=96, saved=0, scalars=0, states=0)


def test_a_view_holds_the_whole_storage(weight: torch.Tensor) -> None:
    assert alive(lambda: weight.exp()[:1]) == Alive(retained=96, saved=0, scalars=0, states=0)


def test_wrapped_numbers_are_counted_once_and_at_their_size(weight: torch.Tensor) -> None:
    assert alive(lambda: weight * 2) == Alive(retained=104, saved=0, scalars=8, states=0)
    assert alive(lambda: weight * 2j) == Alive(retained=208, saved=0, scalars=16, states=0)


def test_a_number_that_a_view_is_multiplied_by_in_place_is_a_wrapped_number(weight: torch.Tensor) -> None:
    def scaled() -> torch.Tensor:
        moved = weight + torch.ones(4, 6)
        moved.view(24).mul_(2)
        return moved

    # The sum alone, 96 B, which the multiplication does not save, and the number.
    assert alive(scaled) == Alive(retained=104, saved=0, scalars=8, states=0)


def test_a_tensor_that_is_made_of_numbers_is_no_wrapped_number(weight: torch.Tensor) -> None:
    assert alive(lambda: weight * torch.tensor(2.0)) == Alive(retained=100, saved=4, scalars=0, states=0)


def test_a_checkpointed_region_holds_the_generators_state(weight: torch.Tensor) -> None:
    region = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
    size = torch.get_rng_state().numel()

    assert alive(lambda: checkpoint(region, weight, use_reentrant=False)) == Alive(
        retained=96 + size, saved=0, scalars=0, states=size
    )


def test_a_storage_counts_at_the_size_that_it_has_in_the_end() -> None:
    def resized() -> torch.Tensor:
        result = torch.zeros(10)
        return result.resize_(1000)

    assert alive(resized) == Alive(retained=4000, saved=0, scalars=0, states=0)


def test_what_the_module_keeps_is_retained_and_not_saved(weight: torch.Tensor) -> None:
    cache: list[torch.Tensor] = []

    def keeping() -> torch.Tensor:
        cache.append(weight.detach().exp())
        return weight.exp()

    assert alive(keeping) == Alive(retained=192, saved=0, scalars=0, states=0)
