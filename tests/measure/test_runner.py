"""One arm of one case: what is built, what it is paired with, and that nothing looks on while it is timed."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from fakes import FakeClock, fake_entry, fake_question, nan_entry
from torch import nn

from harness.errors import HarnessError
from harness.judge.contrasts import judge_samples
from harness.judge.looks import Looks
from harness.measure import case as case_module
from harness.measure import graph, recording
from harness.measure.block import TimingBlock
from harness.measure.case import CaseMeasurement, Failure, measure_arm, measure_arms
from harness.measure.devices.cpu import CpuBackend
from harness.measure.observe import Observation
from harness.measure.runner import Settings, exact_result
from harness.record.schema import ArmResult, Case, Group, Samples
from harness.workload.model import Model
from harness.workload.models import MODELS
from harness.workload.question import Question
from harness.workload.questions import load_question
from harness.workload.sources import build
from harness.workload.step import Step

CASE = Case(question="fake", model="fake", batch_size=2)
LINEAR = Case(question="grad_mode", model="linear", batch_size=16)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Register the fake model; the list is of the modules that ran, in their order and each time."""
    ran: list[nn.Module] = []
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", ran.append))
    return ran


@contextmanager
def watched_blocks(before: Callable[[], object], after: Callable[[], object]) -> Iterator[None]:
    """Call something before and after each block is timed."""
    run = TimingBlock.run

    def watched(self: TimingBlock, budget: float, looks: Looks, control: str = "") -> None:
        before()
        run(self, budget, looks, control)
        after()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimingBlock, "run", watched)
        yield


def sides_of(arms: tuple[str, ...], ran: list[nn.Module], *, share: bool) -> int:
    """Return how many different modules ran while arms were timed."""
    timed: list[nn.Module] = []
    question = fake_question("reference", "arm", "other", arms_share_model=share)
    with watched_blocks(ran.clear, lambda: timed.extend(ran)):
        measure_arms(question, CASE, arms, Settings(budget=0.02))
    return len({id(module) for module in timed})


def test_arms_that_cannot_share_a_model_have_one_each(built: list[nn.Module]) -> None:
    assert sides_of(("arm",), built, share=False) == 2
    assert sides_of(("arm", "other"), built, share=False) == 3


def test_arms_that_share_a_model_run_the_very_same(built: list[nn.Module]) -> None:
    assert sides_of(("arm", "other"), built, share=True) == 1


def test_the_control_is_what_an_arm_is_with_a_model_of_its_own_or_the_shared_one(
    built: list[nn.Module],
) -> None:
    assert sides_of(("reference", "arm"), built, share=False) == 3
    assert sides_of(("reference", "arm"), built, share=True) == 1


@pytest.mark.usefixtures("built")
def test_all_arms_are_timed_against_the_same_samples_of_one_reference() -> None:
    question = fake_question("reference", "arm", "other")
    control, arm, other = measure_arms(question, CASE, ("reference", "arm", "other"), Settings(budget=0.02))

    longest = max((each.timings[0].reference for each in (control, arm, other)), key=len)
    for each in (control, arm, other):
        assert each.timings[0].reference == longest[: len(each.timings[0].reference)]


def test_the_reference_is_now_the_side_that_was_built_first_and_now_its_copy(
    built: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    references: list[int] = []

    def watched(self: TimingBlock, _budget: float, _looks: Looks, _control: str = "") -> None:
        order = list(dict.fromkeys(map(id, built)))
        self.reference.call()
        references.append(order.index(id(built[-1])))

    monkeypatch.setattr(TimingBlock, "run", watched)
    taken = Samples(metric="time", calls=1, reference=((1.0,),), arm=((1.0,),))
    monkeypatch.setattr(TimingBlock, "samples", lambda _self, _arm: (taken,))
    question = fake_question("reference", "arm")
    for seed in range(12):
        built.clear()
        measure_arms(question, CASE, ("reference", "arm"), Settings(budget=0.02, seed=seed))

    assert len(set(references)) == 2


def measured(
    arms: tuple[str, ...], question: Question, *, seconds: float = 0.02, **options: Any
) -> list[ArmResult | Failure]:
    measurement = CaseMeasurement(question, CASE, Settings(budget=0), MODELS["fake"], **options)
    return list(measurement.measure(arms, lambda _number, _least: seconds))


@pytest.mark.usefixtures("built")
def test_exact_numbers_come_first_and_times_when_all_arms_have_theirs() -> None:
    results = measured(("reference", "arm"), fake_question("reference", "arm"))

    assert [(each.arm, bool(each.timings)) for each in results if isinstance(each, ArmResult)] == [
        ("reference", False),
        ("arm", False),
        ("reference", True),
        ("arm", True),
    ]


@pytest.mark.usefixtures("built")
def test_where_memory_is_tight_arms_are_timed_in_groups_each_with_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda _self, _name: 1)
    blocks: list[None] = []
    with watched_blocks(lambda: blocks.append(None), lambda: None):
        results = measured(("reference", "arm"), fake_question("reference", "arm"))

    assert len(blocks) == 2
    assert [(each.arm, bool(each.timings)) for each in results if isinstance(each, ArmResult)] == [
        ("reference", False),
        ("arm", False),
        ("reference", True),
        ("arm", True),
    ]


@pytest.mark.usefixtures("built")
def test_an_arm_that_fails_takes_nothing_with_it_and_the_first_that_works_is_the_reference() -> None:
    plain = fake_question("reference", "arm", "other")

    def build(case: Case, arm: str, model: Model) -> Step:
        if arm == "reference":
            raise ValueError("no luck")
        return plain.build(case, arm, model)

    failed, *others = measured(("reference", "arm", "other"), replace(plain, build=build))

    assert isinstance(failed, Failure)
    assert (failed.arm, failed.reason) == ("reference", "ValueError: no luck")
    assert [each.arm for each in others] == ["arm", "other", "arm", "other"]
    assert all(isinstance(each, ArmResult) and each.timings for each in others[2:])


@pytest.mark.usefixtures("built")
def test_without_seconds_left_the_exact_numbers_stand_alone() -> None:
    results = measured(("reference", "arm"), fake_question("reference", "arm"), seconds=0.0)

    assert [each.arm for each in results] == ["reference", "arm"]


def test_without_a_budget_nothing_is_timed() -> None:
    result = measure_arm(load_question("grad_mode"), LINEAR, "no_grad", Settings(budget=0))

    assert result.timings == ()
    assert result.counts["peak"] == 64


def test_a_budget_gives_layouts_enough_to_judge_and_the_exact_metrics_too() -> None:
    result = measure_arm(load_question("grad_mode"), LINEAR, "no_grad", Settings(budget=0.2))
    (samples,) = result.timings

    assert (result.arm, result.status) == ("no_grad", "ok")
    assert samples.metric == "time"
    assert samples.unit == "draw"
    assert len(samples.reference) == len(samples.arm) >= 12
    assert samples.calls > 1
    assert 1e-7 < samples.arm[0][0] < 1e-2
    assert result.counts["peak"] == 64


def test_a_training_step_is_timed_part_by_part() -> None:
    case = Case(question="freezing", model="linear", batch_size=16, mode="train")
    trained = measure_arm(load_question("freezing"), case, "head frozen", Settings(budget=0.05))
    both = measure_arm(load_question("freezing"), case, "biases only", Settings(budget=0.05))

    # With its only layer frozen there is a forward pass alone.
    assert [samples.metric for samples in trained.timings] == ["time"]
    assert [samples.metric for samples in both.timings] == [
        "time",
        "forward time",
        "backward time",
        "optimizer time",
    ]


def test_nothing_is_left_out_and_nothing_counted_twice_in_the_groups() -> None:
    case = Case(
        question="decay_groups", model="linear", batch_size=16, mode="train", variant="adamw-for-loop"
    )
    result = measure_arm(load_question("decay_groups"), case, "weights and biases", Settings(budget=0))

    assert result.groups == (
        Group(name="decayed", weight_decay=0.01, tensors=1, parameters=200, state_bytes=2 * 800 + 4),
        Group(name="not decayed", weight_decay=0.0, tensors=1, parameters=1, state_bytes=2 * 4 + 4),
    )


def test_an_output_that_is_no_number_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "nan", nan_entry("nan"))
    result = measure_arm(
        fake_question("only"), Case(question="fake", model="nan", batch_size=2), "only", Settings(0)
    )

    assert result.status == "ok"
    assert result.warnings == ("the model's output holds NaN",)


def test_an_infinite_output_is_a_warning_and_a_finite_one_is_none() -> None:
    model = build(LINEAR)
    step = load_question("grad_mode").build(LINEAR, "grad", model)
    before = exact_result("grad", Observation(step)).warnings
    with torch.no_grad():
        next(model.module.parameters()).fill_(float("inf"))
        next(iter(model.inputs)).fill_(1.0)  # type: ignore[arg-type, attr-defined]

    assert before == ()
    assert exact_result("grad", Observation(step)).warnings == ("the model's output holds infinity",)


def test_a_case_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"^a batch size of 0 holds no example"):
        measure_arm(
            load_question("grad_mode"),
            Case(question="grad_mode", model="linear", batch_size=0),
            "grad",
            Settings(0),
        )


def test_an_error_of_the_model_is_not_turned_into_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_module: nn.Module) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", fail))

    with pytest.raises(MemoryError, match="out of memory"):
        measure_arm(fake_question("reference"), CASE, "reference", Settings(budget=0.02))


@dataclass
class Onlookers:
    """What can be active while a model runs, counted as it begins and ends.

    On the class: what the model reaches by its objects is put back before each exact pass.
    """

    profilers: ClassVar[int] = 0
    saving_hooks: ClassVar[int] = 0
    seen: ClassVar[list[dict[str, Any]]] = []

    def look(self, module: nn.Module) -> None:
        hooks = sum(
            len(child._forward_hooks) + len(child._forward_pre_hooks) + len(child._backward_hooks)
            for child in module.modules()
        )
        self.seen.append(
            {
                "profilers": self.profilers,
                "saving hooks": self.saving_hooks,
                "module hooks": hooks,
                "tracer": sys.gettrace(),
                "profile function": sys.getprofile(),
                "collector": gc.isenabled(),
            }
        )

    def counting(self, name: str, region: Callable[..., Any]) -> Callable[..., Any]:
        """Return a region that is counted while it lasts."""

        @contextmanager
        def counted(*args: Any, **options: Any) -> Iterator[Any]:
            with region(*args, **options) as inner:
                setattr(Onlookers, name, getattr(Onlookers, name) + 1)
                try:
                    yield inner
                finally:
                    setattr(Onlookers, name, getattr(Onlookers, name) - 1)

        return counted


NOTHING = {
    "profilers": 0,
    "saving hooks": 0,
    "module hooks": 0,
    "tracer": None,
    "profile function": None,
    "collector": False,
}


def test_while_timing_no_hook_profiler_or_tracer_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    onlookers = Onlookers()
    onlookers.seen.clear()
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", onlookers.look))
    monkeypatch.setattr(recording, "profile", onlookers.counting("profilers", recording.profile))
    monkeypatch.setattr(
        graph, "saved_tensors_hooks", onlookers.counting("saving_hooks", graph.saved_tensors_hooks)
    )
    timed: list[dict[str, Any]] = []

    exact: list[dict[str, Any]] = []

    def before() -> None:
        exact.extend(onlookers.seen)
        onlookers.seen.clear()

    def tracer(*_: object) -> None:
        return None

    kept = sys.gettrace()
    sys.settrace(tracer)  # as a debugger or a coverage tool would
    try:
        with watched_blocks(before, lambda: timed.extend(onlookers.seen)):
            measure_arm(fake_question("reference"), CASE, "reference", Settings(budget=0.05))
    finally:
        sys.settrace(kept)

    assert len(timed) > 20
    assert all(seen == NOTHING for seen in timed)
    # The same eyes do see them in the exact passes, which come before.
    assert any(seen["profilers"] for seen in exact)
    assert any(seen["saving hooks"] and seen["module hooks"] for seen in exact)
    assert all(seen["tracer"] is tracer for seen in exact)


def test_where_a_call_takes_a_second_each_side_runs_once_and_then_as_often_as_can_be_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(case_module, "clock_for", lambda _device: clock)
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", lambda _module: clock.advance(1.0)))
    question = fake_question("reference", "arm", arms_share_model=True)
    measurement = CaseMeasurement(question, CASE, Settings(budget=0), MODELS["fake"])
    list(measurement.exact(("reference", "arm")))
    began, asked = clock.now, []

    def least(arms: int, seconds: float) -> float:
        asked.append((arms, seconds))
        return seconds

    timed = list(measurement.times(("reference", "arm"), least))

    # One arm is judged from 8 rounds on; one more, and each of a reference, its control and the arm.
    assert asked == [(2, 27.0)]
    assert clock.now - began == 2 + 27.0
    (samples,) = [each.timings[0] for each in timed if isinstance(each, ArmResult) and each.arm == "arm"]
    assert len(samples.arm) == 9
    assert judge_samples(samples).low is not None
