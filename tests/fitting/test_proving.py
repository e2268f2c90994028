"""A proof refutes what changes more than it says, and the search goes on without it."""

import torch
from torch import nn

from harness.fitting.door import fit
from harness.fitting.plan import Plan
from harness.fitting.proving import prove
from harness.fitting.searching import Hunt
from harness.fitting.workbench import Workbench
from harness.record.fit import FitCandidate
from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.models import Entry


class Averaging(nn.Module):
    """A block that keeps a moving average of what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 32), nn.Linear(32, 8)
        self.register_buffer("average", torch.zeros(32))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.up(rows))
        if self.training:
            self.average.mul_(0.9).add_(hidden.detach().mean(0), alpha=0.1)
        out: torch.Tensor = rows + self.down(hidden)
        return out


class Noisy(nn.Module):
    """A block with dropout of a generator of its own, which a checkpoint does not set back."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 32), nn.Linear(32, 8)
        self.generator = torch.Generator()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.up(rows))
        if self.training:
            hidden = hidden * (torch.rand(hidden.shape, generator=self.generator) > 0.5)
        out: torch.Tensor = rows + self.down(hidden)
        return out


class Row(nn.Module):
    """Blocks beside buffers of large numbers."""

    def __init__(self, block: type[nn.Module]) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(5000))
        self.register_buffer("mask", torch.full((4, 4), torch.finfo(torch.float32).min).triu(1))
        self.blocks = nn.ModuleList(block() for _ in range(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            rows = block(rows)
        return rows


def averaging(batch_size: int = 512) -> Model:
    return Model(Row(Averaging), (torch.randn(batch_size, 8),))


def noisy(batch_size: int = 64) -> Model:
    return Model(Row(Noisy), (torch.randn(batch_size, 8),))


def bench(module: type[nn.Module]) -> Workbench:
    def build(batch_size: int) -> Model:
        return Model(Row(module), (torch.randn(batch_size, 8),))

    return Workbench(
        Entry("row", build, 64), Case(question="fit", model="row", batch_size=64, mode="train"), "AdamW"
    )


def test_large_numbers_in_a_buffer_do_not_hide_that_another_is_updated_twice() -> None:
    proof = prove(bench(Averaging), FitCandidate(checkpointed=(0,)))

    assert not proof.held
    assert "blocks.0.average differs by" in proof.sentence


def test_gradients_are_compared_though_they_are_gone_when_backward_returns() -> None:
    one = bench(Averaging)

    assert prove(one, FitCandidate(update="in backward")).held
    assert not prove(bench(Noisy), FitCandidate(checkpointed=(0, 1), update="in backward")).held


def test_a_checkpoint_that_draws_anew_is_refuted_with_parts_of_a_batch_too() -> None:
    one = bench(Noisy)
    one.check_split(2)

    assert prove(one, FitCandidate(micro_batches=2)).held
    assert not prove(one, FitCandidate(checkpointed=(0, 1), micro_batches=2)).held


def test_the_implementation_of_the_optimizer_alone_is_refuted_alone() -> None:
    hunt = Hunt(bench(Averaging))
    hunt.refute(FitCandidate(update="fused"))

    assert hunt._is_refuted(FitCandidate(checkpointed=(0,), update="fused"))
    assert not hunt._is_refuted(FitCandidate(checkpointed=(0,)))


class Held:
    """Holds a tensor, as no container does that can be cut."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows


class Opening(nn.Module):
    """Blocks that run on what is held."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)))

    def forward(self, held: Held) -> torch.Tensor:
        out: torch.Tensor = self.blocks(held.rows)
        return out


def test_what_cannot_be_cut_is_a_reason_and_no_traceback() -> None:
    plan = fit(Opening(), (Held(torch.randn(64, 8)),), limit=8000, budget=0)

    assert {trial.candidate.micro_batches for trial in plan.search.trials} == {1}
    assert any("micro-batches left out: " in note for note in plan.search.notes)


def planned(factory: object, share: float) -> Plan:
    peak = fit(factory, limit="1GiB", budget=0).search.untouched.peak  # type: ignore[arg-type]
    assert peak is not None
    return fit(factory, limit=int(peak * share), budget=0)  # type: ignore[arg-type]


def test_where_checkpoints_are_refuted_other_levers_are_tried() -> None:
    plan = planned(noisy, 0.6)

    assert plan.fits
    assert plan.search.plan is not None
    assert plan.search.plan.candidate.checkpointed == ()
    assert plan.search.plan.candidate.micro_batches > 1


def test_what_was_thrown_out_is_not_called_the_least_that_was_run() -> None:
    plan = planned(averaging, 0.8)
    thrown_out = [trial for trial in plan.search.trials if trial.peak and trial.reason]

    assert not plan.fits
    assert thrown_out
    assert plan.search.least not in thrown_out
    assert "x thrown out" in str(plan)
    assert "every forward pass changes 'blocks." in " ".join(plan.search.notes)


def test_weights_that_the_first_call_makes_are_the_same_on_both_sides() -> None:
    def factory(batch_size: int = 64) -> Model:
        blocks = nn.Sequential(
            *(nn.Sequential(nn.LazyLinear(32), nn.Tanh(), nn.LazyLinear(8)) for _ in range(4))
        )
        return Model(blocks, (torch.randn(batch_size, 8),))

    plan = planned(factory, 0.6)

    assert plan.fits
    assert plan.search.notes == ()


def test_parts_are_cut_along_the_dimension_that_the_plan_was_made_with() -> None:
    def factory(batch_size: int = 8) -> Model:
        return Model(nn.LSTM(8, 8), (torch.randn(24, batch_size, 8),))

    plan = planned(factory, 0.6)
    module = nn.LSTM(8, 8)
    applied = plan.apply(module, torch.optim.AdamW(module.parameters()))

    shapes = [tuple(part.shape) for part in applied.parts(torch.randn(24, 8, 8))]
    assert shapes == [(24, 8 // applied.micro_batches, 8)] * applied.micro_batches
    assert applied.micro_batches > 1
    rows, classes = (applied.parts(torch.zeros(shape))[0] for shape in ((8,), (8, 12)))
    assert rows.shape == (8 // applied.micro_batches,)
    assert classes.shape == (8 // applied.micro_batches, 12)
