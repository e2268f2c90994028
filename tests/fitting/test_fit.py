"""`harness.fit`: a plan fits, does what was measured, and leaves everything else as it was."""

import copy
import functools
import json
from typing import Any

import pytest
import torch
from torch import nn

import harness
from harness.errors import HarnessError
from harness.fitting.candidates import repeated_work
from harness.fitting.door import fit
from harness.fitting.plan import Plan
from harness.fitting.workbench import Workbench
from harness.measure.attribution import lasting_bytes
from harness.measure.observe import Observation
from harness.record.fit import FitCandidate
from harness.workload.model import Model
from harness.workload.training import training_step

pytestmark = pytest.mark.process


class Net(nn.Module):
    """Four blocks that save far more than their weights, with dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 16)) for _ in range(4)
        )
        self.head = nn.Linear(16, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            rows = rows + block(rows)
        logits: torch.Tensor = self.head(rows)
        return logits


def net(batch_size: int = 64) -> Model:
    return Model(Net(), (torch.randn(batch_size, 16),), head="head")


def peak_of(model: Model, optimizer: torch.optim.Optimizer) -> int:
    step = training_step(model, optimizer)
    above = Observation(step).levels.peak_bytes()
    return lasting_bytes(step) + above


@functools.cache
def planned(**options: Any) -> Plan:
    """Fit the net once with some options, however many tests look at the plan."""
    return fit(net, budget=0, **options)


def untouched() -> int:
    search = planned(limit="1GiB").search.untouched.peak
    assert search is not None
    return search


def test_a_plan_fits_and_its_peak_is_that_of_a_run() -> None:
    limit = untouched() * 6 // 10

    plan = planned(limit=limit)

    assert plan.fits
    assert plan.search.plan is not None
    assert plan.search.plan.candidate.sacrifice == (0, False, False, 0)
    assert plan.search.proof is not None
    assert plan.search.proof.held
    assert plan.peak_bytes is not None
    assert plan.peak_bytes <= limit


def test_applying_a_plan_gives_the_peak_that_was_measured() -> None:
    plan = planned(limit=untouched() * 7 // 10)
    model = net()
    applied = plan.apply(model.module, torch.optim.AdamW(model.module.parameters(), lr=1e-9))

    if applied.micro_batches == 1:
        assert peak_of(model, applied.optimizer) == plan.peak_bytes
    applied.undo()

    whole = peak_of(model, torch.optim.AdamW(model.module.parameters(), lr=1e-9))
    assert whole == plan.search.untouched.peak


@pytest.mark.parametrize(
    "candidate",
    [
        FitCandidate(checkpointed=(0, 1)),
        FitCandidate(frozen=2),
        FitCandidate(frozen=1, checkpointed=(2,), update="fused"),
        FitCandidate(checkpointed=(0, 1, 2, 3), update="in backward"),
        FitCandidate(biases_only=True, update="foreach"),
        FitCandidate(trained=("head.*", "0.bias"), checkpointed=(1,)),
    ],
)
def test_the_lines_to_paste_do_what_was_measured(candidate: FitCandidate) -> None:
    bench = _bench()
    expected = bench.observe(candidate)
    lines = "\n".join(line for lever in bench.levers(candidate) for line in lever.lines)
    fresh = net()
    optimizer = torch.optim.AdamW(fresh.module.parameters(), lr=1e-9)

    exec(lines, {"model": fresh.module, "optimizer": optimizer, "torch": torch})  # noqa: S102 (ours)

    assert peak_of(fresh, optimizer) == expected


def _bench() -> Workbench:
    from harness.record.measured import Case
    from harness.workload.models import Entry

    return Workbench(
        Entry("net", net, 64), Case(question="fit", model="net", batch_size=64, mode="train"), "AdamW"
    )


def test_a_bench_measures_the_untouched_peak_again_after_every_lever() -> None:
    bench = _bench()
    before = bench.observe(FitCandidate())
    bench.check_split(2)
    for candidate in (
        FitCandidate(frozen=2),
        FitCandidate(checkpointed=(0, 2), micro_batches=2),
        FitCandidate(update="in backward"),
        FitCandidate(dtype="bfloat16"),
        FitCandidate(dtype="autocast"),
        FitCandidate(optimizer="SGD"),
    ):
        assert bench.observe(candidate) < before
        assert bench.observe(FitCandidate()) == before


def test_the_model_and_the_random_numbers_stay_as_they_are() -> None:
    model = net()
    weights = copy.deepcopy(model.module.state_dict())
    inputs = model.inputs[0].clone()  # type: ignore[index]
    torch.manual_seed(7)
    random = torch.get_rng_state()

    fit(model, limit=untouched() * 6 // 10, budget=0, allow="freeze")

    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.module.state_dict().items())
    assert torch.equal(model.inputs[0], inputs)  # type: ignore[index]
    assert [name for name, p in model.module.named_parameters() if p.grad is not None] == []
    assert all(p.requires_grad for p in model.module.parameters())
    assert all("forward" not in vars(child) for child in model.module.modules())
    assert model.module.training


def test_a_limit_that_the_untouched_step_meets_changes_nothing() -> None:
    plan = planned(limit="1 GB")

    assert plan.fits
    assert plan.levers == ()
    assert str(plan).startswith("fits 1 GB as it is: peak ")
    assert len(plan.search.trials) == 1


def test_where_nothing_fits_the_least_is_said_and_what_it_is_made_of() -> None:
    bench = _bench()

    plan = fit(net, limit=bench.floor() + 1000, budget=0)

    assert not plan.fits
    assert "the least that was run needs" in str(plan)
    assert "most of it is" in str(plan)
    with pytest.raises(HarnessError, match="no plan to apply"):
        plan.apply(net().module, torch.optim.SGD(net().module.parameters(), lr=0.1))


def test_freezing_is_used_only_where_it_is_allowed() -> None:
    limit = 60_000

    assert not planned(limit=limit).fits
    allowed = planned(limit=limit, allow="freeze")

    assert allowed.fits
    assert allowed.search.plan is not None
    assert allowed.search.plan.candidate.frozen > 0
    assert "given up: training block" in str(allowed).replace("\n", " ")


def test_what_fits_a_pattern_is_trained_alone_where_nothing_else_fits() -> None:
    whole = untouched()
    plan = fit(net, limit=whole * 3 // 10, trainable=("head.*",), budget=0)

    assert plan.search.plan is not None
    assert plan.search.plan.candidate.trained == ("head.*",)
    assert "training all but head.*" in str(plan).replace("\n", " ")
    model = net()
    plan.apply(model.module, torch.optim.AdamW(model.module.parameters()))
    assert {name for name, each in model.module.named_parameters() if each.requires_grad} == {
        "head.weight",
        "head.bias",
    }


def test_the_largest_batch_is_run_with_and_without_levers() -> None:
    limit = 2 * untouched()
    plan = fit(net, limit=limit, largest_batch=True, budget=0)
    as_it_is, checkpointed = plan.search.batches

    assert as_it_is.candidate == FitCandidate()
    assert checkpointed.candidate == FitCandidate(checkpointed=(0, 1, 2, 3))
    assert checkpointed.batch_size > as_it_is.batch_size > 64
    for one, batch_size in ((as_it_is, as_it_is.batch_size), (checkpointed, checkpointed.batch_size)):
        assert one.peak == _bench().sized(batch_size).observe(one.candidate) <= limit
        assert _bench().sized(batch_size + 1).observe(one.candidate) > limit
    assert f"Largest batch that fits, as it is: {as_it_is.batch_size} (peak" in str(plan)


def test_a_model_of_one_batch_size_has_no_larger_one() -> None:
    model = net()
    plan = fit(model.module, model.inputs, limit="1GiB", largest_batch=True, budget=0)

    assert plan.search.batches[0].reason == "the model makes batches of 64 alone"


def test_fewest_blocks_are_frozen() -> None:
    allowed = planned(limit=60_000, allow="freeze").search
    assert allowed.plan is not None
    depth = allowed.plan.candidate.frozen

    fewer = [trial for trial in allowed.trials if trial.candidate.frozen < depth]

    assert all(trial.peak is None or trial.peak > 60_000 for trial in fewer)


def test_without_a_limit_the_frontier_is_run() -> None:
    search = planned().search

    peaks = [trial.peak for trial in search.trials]
    assert search.limit is None
    assert len(peaks) > 2
    assert search.least is not None
    assert search.least.peak == min(peak for peak in peaks if peak is not None)


def test_pieces_add_up_to_what_runs_need() -> None:
    search = planned().search

    errors = [abs(trial.error) for trial in search.trials if trial.error is not None]
    assert errors
    assert max(errors) < 0.05


class Raising(nn.Module):
    """A block that runs once a step and refuses to run again."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(16, 16)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if torch._C._current_graph_task_id() != -1:  # inside a backward pass
            raise ValueError("not twice")
        result: torch.Tensor = torch.tanh(self.inner(rows))
        return result


def test_a_model_that_cannot_be_checkpointed_loses_that_lever_with_the_reason() -> None:
    def build(batch_size: int = 64) -> Model:
        return Model(
            nn.Sequential(Raising(), Raising(), Raising(), nn.Linear(16, 4)), (torch.randn(batch_size, 16),)
        )

    plan = fit(build, limit=20_000, budget=0)

    assert any("checkpointing left out: " in note and "not twice" in note for note in plan.search.notes)
    assert all(not trial.candidate.checkpointed for trial in plan.search.trials)


def test_a_model_without_blocks_has_the_levers_that_need_none() -> None:
    def build(batch_size: int = 64) -> Model:
        return Model(nn.Linear(64, 4), (torch.randn(batch_size, 64),))

    search = fit(build, budget=0).search

    assert search.blocks == ()
    assert {trial.candidate.checkpointed for trial in search.trials} == {()}


class Growing(nn.Module):
    """Has one more block after each call."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.blocks.append(nn.Linear(16, 16))
        for block in self.blocks:
            rows = block(rows)
        return rows


def test_a_model_whose_parts_change_with_every_call_is_refused() -> None:
    with pytest.raises(
        HarnessError, match=r"each call of the model adds or removes parts, such as 'blocks\."
    ):
        fit(lambda batch_size=8: Model(Growing(), (torch.randn(batch_size, 16),)), budget=0)


class Lazy(nn.Module):
    """Makes its second layer in its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.second: nn.Linear | None = None

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.second is None:
            self.second = nn.Linear(16, 4)
        result: torch.Tensor = self.second(self.first(rows))
        return result


def test_a_step_that_runs_its_own_backward_pass_is_refused_with_what_to_hand_over() -> None:
    module, rows = nn.Linear(4, 4), torch.randn(2, 4)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = module(rows).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    with pytest.raises(HarnessError, match="it runs a backward pass itself"):
        fit(step, limit="1MiB", budget=0)


def test_a_model_that_builds_a_part_in_its_first_call_alone_is_not() -> None:
    plan = fit(lambda batch_size=8: Model(Lazy(), (torch.randn(batch_size, 16),)), limit="1MiB", budget=0)

    assert plan.fits


class Hungry(nn.Module):
    """Runs out of memory where more than 32 examples are recorded at once."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(rows) > 32:
            raise MemoryError
        result: torch.Tensor = self.net(rows)
        return result


def test_where_the_untouched_step_runs_out_of_memory_the_search_goes_on() -> None:
    def build(batch_size: int = 64) -> Model:
        return Model(Hungry(), (torch.randn(batch_size, 16),))

    plan = fit(build, limit="1MiB", budget=0)

    assert plan.search.untouched.peak is None
    assert len(plan.search.blocks) == 4  # of the net, seen in a part of the batch
    assert "out of memory" in plan.search.untouched.reason
    assert plan.search.plan is not None
    assert plan.search.plan.candidate.micro_batches > 1
    assert plan.search.proof is not None
    assert "not compared" in plan.search.proof.sentence


def test_batch_norm_keeps_micro_batches_out_unless_they_are_asked_for() -> None:
    def build(batch_size: int = 64) -> Model:
        blocks = [nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU()) for _ in range(3)]
        return Model(nn.Sequential(*blocks, nn.Linear(16, 4)), (torch.randn(batch_size, 16),))

    without = fit(build, budget=0).search
    allowed = fit(build, budget=0, allow="batchnorm").search

    assert {trial.candidate.micro_batches for trial in without.trials} == {1}
    assert any("BatchNorm in train mode" in note for note in without.notes)
    assert {trial.candidate.micro_batches for trial in allowed.trials} != {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "8G"}, "write 500MB, 8GiB"),
        ({"limit": "0"}, "not an amount of memory"),
        ({"limit": 0}, "holds nothing"),
        ({"limit": "1KB"}, "do not hold the model's parameters"),
        ({"allow": "speed"}, "there are freeze, dtype, optimizer, batchnorm"),
        ({"optimizer": "Lion"}, "there are AdamW, SGD with momentum, SGD"),
        ({"dtype": "int7"}, "no dtype 'int7'"),
        ({"budget": -1.0}, "cannot be spent"),
        ({"batch_size": -1}, "give 1 or more"),
        ({"batch_sizes": (1, 2)}, "there are device, dtype, memory_format, batch_size"),
        ({"batch_size": (1, 2)}, "give 1 alone"),
    ],
)
def test_bad_input_is_one_clear_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(HarnessError, match=message) as raised:
        fit(net, **options)  # type: ignore[arg-type]

    assert "\n" not in str(raised.value)


def test_a_model_with_nothing_to_train_is_refused() -> None:
    def build() -> Model:
        return Model(nn.Linear(4, 4).requires_grad_(False), (torch.randn(2, 4),))  # noqa: FBT003

    with pytest.raises(HarnessError, match="no parameter is trainable"):
        fit(build, limit="1MiB")


def test_another_models_structure_is_refused() -> None:
    plan = planned(limit=untouched() * 7 // 10)
    other = nn.Linear(2, 2)

    if any(trial.candidate.checkpointed for trial in [plan.search.plan] if trial):
        with pytest.raises(HarnessError, match="not like the one that was measured"):
            plan.apply(other, torch.optim.SGD(other.parameters(), lr=0.1))


def test_the_name_stands_for_the_function_and_not_for_a_folder() -> None:
    assert callable(harness.fit)
    assert harness.fit is fit
    assert isinstance(harness.fit(net, limit="1GiB", budget=0), harness.Plan)


def test_json_has_the_answer_and_every_number() -> None:
    plan = planned(limit=untouched() * 6 // 10)

    told = json.loads(plan.to_json())

    assert told["fits"]
    assert told["answer"].startswith("fits ")
    assert told["plan"]["peak"] == plan.peak_bytes
    assert repr(plan).startswith("<Plan: fits ")


def test_the_page_is_whole_and_shows_the_answer() -> None:
    page = fit(net, budget=0.05).to_html()

    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert "src=" not in page


def test_where_timing_takes_long_the_finalist_that_repeats_least_work_is_timed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.fitting.finalists._LONG_S", 0.0)
    search = fit(net, limit=untouched() * 6 // 10, budget=0.01).search
    timed = [trial for trial in search.trials if trial.ratio is not None]
    others = [trial for trial in search.trials if "repeats more work" in trial.timing]

    assert timed == [search.plan]
    assert others
    assert search.plan is not None
    assert search.plan.low is not None  # as many rounds as can be judged, whatever the budget
    least, *more = (repeated_work(trial.candidate, len(search.blocks)) for trial in (*timed, *others))
    assert least <= min(more)


def test_where_runs_take_long_there_is_one_finalist(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = untouched() * 6 // 10
    usual = planned(limit=limit).search
    monkeypatch.setattr("harness.fitting.searching._LONG_RUN_S", 0.0)
    search = fit(net, limit=limit, budget=0).search

    assert len(usual.trials) > 2  # the step as it is, and finalists
    assert search.trials == (search.untouched, search.plan)
