"""The pieces of models whose parameters, or whose losses, are not what they seem."""

from collections.abc import Callable

import torch
from torch import nn

from harness.fitting.door import fit
from harness.fitting.gathering import Gathering
from harness.fitting.workbench import Workbench
from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.models import Entry


def block() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))


class HalfFrozen(nn.Module):
    """Runs its first half without a graph, though its parameters may be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block() for _ in range(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            for one in self.blocks[:2]:
                rows = one(rows)
        for one in self.blocks[2:]:
            rows = one(rows)
        return rows


class Penalized(nn.Module):
    """Returns the gradient of its output by its input."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(block() for _ in range(4)))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(self.blocks(rows).sum(), rows, create_graph=True)
        return gradient


def bench(build: Callable[[int], Model]) -> Workbench:
    return Workbench(
        Entry("net", build, 64), Case(question="fit", model="net", batch_size=64, mode="train"), "AdamW"
    )


def half_frozen(batch_size: int = 64) -> Model:
    return Model(HalfFrozen(), (torch.randn(batch_size, 8),))


def penalized(batch_size: int = 64) -> Model:
    return Model(Penalized(), (torch.randn(batch_size, 8, requires_grad=True),))


def test_parameters_that_no_gradient_reaches_have_neither_gradient_nor_state() -> None:
    pieces = Gathering(bench(half_frozen)).measure((1,))

    assert {name.split(".")[1] for name in pieces.gradients} == {"2", "3"}
    assert {name.split(".")[1] for name in pieces.states} == {"2", "3"}


def test_what_runs_without_a_graph_is_expected_to_need_what_it_needs() -> None:
    search = fit(half_frozen, budget=0).search

    errors = [abs(trial.error) for trial in search.trials if trial.error is not None]
    assert max(errors) < 0.05


def test_a_model_that_differentiates_inside_is_run_in_parts() -> None:
    peak = fit(penalized, limit="1GiB", budget=0).search.untouched.peak
    assert peak is not None

    plan = fit(penalized, limit=peak // 2, budget=0)

    assert plan.search.plan is not None
    assert plan.search.plan.candidate.micro_batches > 1


def test_parts_that_make_up_the_whole_by_chance_are_given_up_with_those_that_do_not() -> None:
    def loss(output: object) -> torch.Tensor:
        """Weigh examples so that two halves weigh the same, and four quarters do not."""
        assert isinstance(output, torch.Tensor)
        lost = output.square().mean(1)
        return lost.mean() if len(output) > 16 else 2 * lost.mean()

    def build(batch_size: int) -> Model:
        return Model(nn.Sequential(block(), block()), (torch.randn(batch_size, 8),), loss=loss)

    gathering = Gathering(bench(build))
    pieces = gathering.measure((1, 2, 4))

    assert list(pieces.passes) == [1]
    assert "neither the mean nor the sum" in gathering.dropped["micro-batches"]
