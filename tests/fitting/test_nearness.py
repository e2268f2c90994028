"""What rounding explains, and what it does not."""

import math

import pytest
import torch

from harness.fitting.nearness import drift, largest_difference

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
def test_what_may_cancel_is_held_against_its_own_largest_number_and_that_of_all(
    before: torch.Tensor, after: torch.Tensor, *, is_rounding: bool
) -> None:
    found = largest_difference({"one": before, "large": LARGE}, {"one": after, "large": LARGE}, cancel=True)

    assert found.is_rounding is is_rounding


def test_a_large_tensor_hides_nothing_of_another_that_cancels_nothing() -> None:
    mask = torch.full((2, 2), torch.finfo(torch.float32).min)
    before, after = {"mask": mask, "average": torch.ones(1)}, {"mask": mask, "average": torch.ones(1) * 5}

    assert not largest_difference(before, after).is_rounding


def test_sparse_tensors_are_compared() -> None:
    one = torch.eye(3).to_sparse()

    assert largest_difference({"a": one}, {"a": one.clone()}).is_rounding
    assert not largest_difference({"a": one}, {"a": one * 2}).is_rounding


def test_the_tensor_that_is_furthest_beyond_rounding_is_named() -> None:
    before = {"a": torch.ones(2), "b": torch.ones(2)}
    after = {"a": torch.ones(2) * 1.1, "b": torch.ones(2) * 1.5}

    assert largest_difference(before, after).name == "b"


def test_what_is_there_on_one_side_alone_is_no_rounding() -> None:
    found = largest_difference({"a": torch.ones(2)}, {})

    assert (found.is_rounding, found.name) == (False, "a")


START = {"weight": torch.ones(100), "bias": torch.zeros(2), "place": torch.arange(100)}
MOVED = {"weight": START["weight"] - 1e-3, "bias": START["bias"] + 1e-3, "place": START["place"]}


@pytest.mark.parametrize(
    ("after", "is_rounding"),
    [
        ({"weight": MOVED["weight"] + 1e-7}, True),
        ({"bias": MOVED["bias"] - 2e-3}, True),  # a whole step of a gradient that is rounding alone
        ({"weight": START["weight"]}, False),
        ({"weight": START["weight"] + 1e-3}, False),
        ({"bias": torch.tensor([math.nan, 1e-3])}, False),
    ],
)
def test_weights_are_held_against_how_far_they_went(
    after: dict[str, torch.Tensor], *, is_rounding: bool
) -> None:
    assert drift(START, MOVED, {**MOVED, **after}).is_rounding is is_rounding


def test_a_step_that_16_bits_lose_on_one_side_is_rounding() -> None:
    before, after = torch.ones(4, dtype=torch.bfloat16), torch.full((4,), 1.01, dtype=torch.bfloat16)

    assert drift({"a": before}, {"a": after}, {"a": before}).is_rounding
