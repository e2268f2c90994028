"""A model that is copied anew for each layout."""

from random import Random
from threading import Lock

import torch
from torch import nn

from harness.workload.copied import CopiedModel, copied
from harness.workload.model import Model


class Watched(nn.Linear):
    """A layer that says which copy of it ran."""

    ran: list["Watched"] = []  # noqa: RUF012 - shared by all copies on purpose

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        self.ran.append(self)
        return super().forward(given)


def model_of(module: nn.Module) -> Model:
    return Model(module, (torch.ones(2, 4),))


def test_every_layout_runs_another_object_at_other_addresses_with_the_same_result() -> None:
    torch.manual_seed(0)
    original = Watched(4, 3)
    side = copied(model_of(original))
    assert side is not None
    Watched.ran.clear()
    outputs = [side()]
    for seed in range(3):
        side.relocate(Random(seed))
        outputs.append(side())
    ran = [*Watched.ran, original]
    assert len({id(module) for module in ran}) == 5
    assert len({module.weight.data_ptr() for module in ran}) == 5
    assert all(torch.equal(output, outputs[0]) for output in outputs)  # type: ignore[arg-type]


def test_every_copy_is_of_the_model_as_it_was_given() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(4, momentum=1.0)
    side = CopiedModel(model_of(norm))
    norm.eval()
    untrained = norm(torch.ones(2, 4))
    norm.train()
    with torch.no_grad():
        side()
        norm.eval()
        side.relocate(Random(0))
        assert torch.equal(side(), untrained)  # type: ignore[arg-type]
    assert int(norm.num_batches_tracked or 0) == 0


def test_a_model_that_has_no_copy_is_none() -> None:
    module = nn.Linear(4, 3)
    vars(module)["guard"] = Lock()
    assert copied(model_of(module)) is None

    history = nn.Linear(4, 3)
    history.last = history(torch.ones(1, 4))
    assert copied(model_of(history)) is None
