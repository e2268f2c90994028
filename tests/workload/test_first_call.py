"""Models that build parts of themselves when they are first called."""

import torch
from brought import models_out_of_sight as models
from torch import nn

from harness.workload.factory import entry_of, entry_of_model
from harness.workload.model import Model


def names_of(model: Model) -> list[str]:
    return [name for name, _ in model.module.named_parameters()]


def test_an_entry_builds_models_that_have_all_their_parts_and_says_so() -> None:
    entry = entry_of("mine", models.builds_a_row)

    assert entry.notes == (
        "mine builds layers.0 in its first call; every arm calls it once before it is measured",
    )
    assert names_of(entry.build(16)) == ["layers.0.weight", "layers.0.bias", "last.weight", "last.bias"]


def test_a_model_at_hand_stays_without_the_parts_that_its_copies_have() -> None:
    model = models.builds_a_layer()
    entry = entry_of_model("mine", model)

    assert names_of(entry.build(16)) == ["last.weight", "last.bias", "first.weight", "first.bias"]
    assert (names_of(model), model.module.first) == (["last.weight", "last.bias"], None)


class Counted(nn.Linear):
    calls = 0

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's own name)
        self.calls += 1
        return super().forward(input)


def test_what_else_a_call_changes_is_put_back_and_is_no_part() -> None:
    entry = entry_of("mine", lambda: (Counted(4, 2), torch.ones(2, 4)))

    assert entry.notes == ()
    assert entry.build(2).module.calls == 0


def test_random_numbers_are_as_if_nothing_had_been_called() -> None:
    entry = entry_of("mine", lambda: (nn.Sequential(nn.Linear(4, 2), nn.Dropout()), torch.ones(2, 4)))
    torch.manual_seed(0)
    entry.build(2)
    first = torch.rand(3)
    torch.manual_seed(0)
    nn.Linear(4, 2)

    assert torch.equal(first, torch.rand(3))


def test_a_model_that_fails_is_left_to_who_measures_it() -> None:
    entry = entry_of("mine", lambda: (nn.Linear(4, 2), torch.ones(2, 5)))

    assert (entry.notes, entry.batch_size) == ((), 2)
