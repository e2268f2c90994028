"""What rounding explains, and what it does not."""

import math

import pytest
import torch

from harness.fitting.nearness import largest_difference

LARGE = torch.tensor([100.0])


@pytest.mark.parametrize(
    ("before", "after", "is_rounding"),
    [
        (torch.tensor([1.0]), torch.tensor([1.00001]), True),
        (torch.tensor([1.0]), torch.tensor([1.01]), False),
        (torch.tensor([1e-9]), torch.tensor([-1e-9]), True),  # it cancels to nothing beside 100
        (torch.tensor([1.0]), torch.tensor([math.nan]), False),
        (torch.tensor([math.nan, 2.0]), torch.tensor([math.nan, 2.0]), True),
        (torch.tensor([math.inf]), torch.tensor([math.inf]), True),
        (torch.tensor([7]), torch.tensor([8]), False),
        (torch.tensor([True]), torch.tensor([False]), False),
        (torch.tensor([1 + 1j]), torch.tensor([1 - 1j]), False),
        (torch.tensor([1.0]), torch.tensor([1.0, 1.0]), False),
        (torch.zeros(0), torch.zeros(0), True),
    ],
)
def test_a_tensor_is_held_against_its_own_largest_number(
    before: torch.Tensor, after: torch.Tensor, *, is_rounding: bool
) -> None:
    found = largest_difference({"one": before, "large": LARGE}, {"one": after, "large": LARGE})

    assert found.is_rounding is is_rounding


def test_the_tensor_that_is_furthest_beyond_rounding_is_named() -> None:
    before = {"a": torch.ones(2), "b": torch.ones(2)}
    after = {"a": torch.ones(2) * 1.1, "b": torch.ones(2) * 1.5}

    assert largest_difference(before, after).name == "b"


def test_what_is_there_on_one_side_alone_is_no_rounding() -> None:
    found = largest_difference({"a": torch.ones(2)}, {})

    assert (found.is_rounding, found.name) == (False, "a")


def test_large_whole_numbers_do_not_make_the_rest_look_near() -> None:
    before = {"place": torch.arange(1000), "weight": torch.zeros(2)}

    assert not largest_difference(before, {**before, "weight": torch.ones(2) * 1e-3}, own=False).is_rounding
