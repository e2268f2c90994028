"""Where a batch can be cut, and which losses come apart."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from harness.fitting.levers.lever import LeverError
from harness.fitting.levers.micro_batches import (
    MicroBatches,
    grown_dimensions,
    leading_dimensions,
    part_in_code,
    split,
)
from harness.fitting.workbench import Workbench
from harness.record.fit import FitCandidate
from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.tensors import tensors_in


def test_the_dimension_that_grows_with_the_batch_counts_the_examples() -> None:
    small = (torch.zeros(64, 4, 8), {"mask": torch.zeros(64, 64)})
    large = (torch.zeros(64, 8, 8), {"mask": torch.zeros(64, 64)})

    assert grown_dimensions(small, large) == (1, None)


def test_an_input_that_grows_in_two_dimensions_cannot_be_cut() -> None:
    with pytest.raises(LeverError, match="two dimensions"):
        grown_dimensions((torch.zeros(2, 2),), (torch.zeros(4, 4),))


def test_leading_dimensions_are_those_of_the_batch() -> None:
    assert leading_dimensions((torch.zeros(4, 2), torch.zeros(3), torch.zeros(())), 4) == (0, None, None)


def test_a_batch_is_cut_along_its_dimensions_into_views() -> None:
    rows = torch.arange(8).reshape(2, 4)
    mask = torch.ones(3)

    parts = split({"rows": rows, "mask": mask}, (1, None), 2)

    assert [part["rows"].tolist() for part in parts] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    assert parts[1]["rows"].untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()
    assert parts[0]["mask"] is mask


def test_a_tensor_that_is_given_twice_is_cut_twice() -> None:
    rows = torch.arange(4)

    assert [[part.tolist() for part in pair] for pair in split((rows, rows), (0,), 2)] == [
        [[0, 1], [0, 1]],
        [[2, 3], [2, 3]],
    ]


def test_unequal_parts_are_refused() -> None:
    with pytest.raises(LeverError, match="5 examples make no 2 equal parts"):
        split((torch.zeros(5),), (0,), 2)


def test_inputs_without_examples_are_refused() -> None:
    with pytest.raises(LeverError, match="no input has a dimension"):
        split((torch.zeros(5),), (None,), 2)


def test_the_lines_cut_along_the_dimension_of_the_examples() -> None:
    assert ".chunk(2, dim=1)" in MicroBatches(2, dimensions=(None, 1)).lines[0]
    assert " / 2)" in MicroBatches(2).lines[1]
    assert "/" not in MicroBatches(2, scale=1.0).lines[1]


def bench(loss: str) -> Workbench:
    losses = {
        "mean": lambda output: output.square().mean(),
        "sum": lambda output: output.square().sum(),
        "contrastive": lambda output: (output @ output.T).logsumexp(1).mean(),
        "fixed": lambda output: (output - torch.zeros(4, 2)).square().mean(),
    }

    def build(batch_size: int) -> Model:
        module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 2))
        return Model(module, (torch.randn(batch_size, 3),), loss=losses[loss])

    return Workbench(
        Entry("net", build, 4), Case(question="fit", model="net", batch_size=4, mode="train"), "SGD"
    )


@pytest.mark.parametrize(("loss", "scale"), [("mean", None), ("sum", 1.0)])
def test_the_losses_of_parts_are_scaled_so_that_gradients_add_up(loss: str, scale: float | None) -> None:
    one = bench(loss)
    one.check_split(2)

    (lever,) = one.levers(FitCandidate(micro_batches=2))

    assert isinstance(lever, MicroBatches)
    assert lever.scale == scale


@pytest.mark.parametrize("loss", ["contrastive", "fixed"])
def test_a_loss_that_does_not_come_apart_is_refused(loss: str) -> None:
    from harness.workload.model import WorkloadError

    with pytest.raises(WorkloadError, match=r"neither the mean nor the sum|in 2 parts raised"):
        bench(loss).check_split(2)


def test_checking_leaves_the_mode_of_every_module() -> None:
    one = bench("mean")
    one.model().module[1].eval()

    one.check_split(2)

    assert [child.training for child in one.model().module] == [True, False, True]


def test_inputs_that_are_a_list_of_examples_cannot_be_cut() -> None:
    with pytest.raises(LeverError, match="a list of examples"):
        grown_dimensions(([torch.zeros(3)],), ([torch.zeros(3), torch.zeros(4)],))


class Pair(NamedTuple):
    """Inputs with names."""

    rows: torch.Tensor
    scale: float


@pytest.mark.parametrize(
    "inputs",
    [
        {"rows": torch.arange(8.0).reshape(4, 2), "mask": torch.ones(3), "scale": 2.0},
        (torch.arange(8.0).reshape(4, 2), torch.ones(3)),
        ([torch.arange(8.0).reshape(4, 2)], {"mask": torch.ones(3), "name": None}),
        (Pair(torch.arange(8.0).reshape(4, 2), 0.5), torch.ones(3)),
    ],
    ids=["mapping", "tuple", "nested", "named"],
)
def test_the_lines_cut_inputs_of_any_form_as_they_were_cut(inputs: Any) -> None:
    dimensions = leading_dimensions(inputs, 4)
    lever = MicroBatches(2, dimensions=dimensions, part=part_in_code(inputs, dimensions, 2))
    calls: list[list[torch.Tensor]] = []

    def model(*arguments: object, **named: object) -> torch.Tensor:
        calls.append(list(tensors_in((arguments, named))))
        return torch.zeros((), requires_grad=True)

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    exec(  # noqa: S102 (ours)
        "\n".join(lever.lines),
        {"inputs": inputs, "model": model, "loss_fn": lambda output: output, "optimizer": optimizer},
    )

    expected = [list(tensors_in(part)) for part in split(inputs, dimensions, 2)]
    assert [[each.tolist() for each in call] for call in calls] == [
        [each.tolist() for each in part] for part in expected
    ]
