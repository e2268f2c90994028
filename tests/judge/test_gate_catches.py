"""What the gate is for: real models are measured, one thing is changed, and they are measured again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
import runs
import torch
from torch import nn

from harness.judge.causes import causes
from harness.judge.comparison import compare_runs
from harness.judge.finding import FindingState, Outcome
from harness.judge.gate import gate
from harness.judge.limits import Limits
from harness.judge.listing import listing
from harness.judge.renewal import replacements
from harness.measure.case import measure_arm
from harness.measure.probes import METRICS
from harness.measure.runner import Settings
from harness.record.schema import ArmResult, Case, Run
from harness.report.sentence import sentence
from harness.workload.model import Model, WorkloadError
from harness.workload.question import Question
from harness.workload.questions import decay_groups, freezing, grad_mode
from harness.workload.step import DecayGroup, Step
from harness.workload.training import training_step

EXACT = Settings(budget=0)
GRAD_MODE = Case(question="grad_mode", model="mlp-relu", batch_size=8)
FREEZING = Case(question="freezing", model="mlp-relu", batch_size=8, mode="train")
DECAY = Case(question="decay_groups", model="linear", batch_size=8, mode="train", variant="adamw-for-loop")

Build = Callable[[Case, str, Model], Step]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def measured(question: Question, case: Case, arms: tuple[str, ...], build: Build | None = None) -> Run:
    """Measure arms of a case, with another way to build them where one is given."""
    asked = question if build is None else replace(question, build=build)
    results = [_result(asked, case, arm) for arm in arms]
    return runs.run(runs.record(case, *results), metrics=METRICS)


def _result(question: Question, case: Case, arm: str) -> ArmResult:
    try:
        return measure_arm(question, case, arm, EXACT)
    except (WorkloadError, ValueError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return ArmResult(arm=arm, status="failed", reason=reason)


def held(head: Run, base: Run) -> Outcome:
    return gate(head, {item.key.name: item for item in replacements([base], {})}, Limits())


def failures(outcome: Outcome) -> list[str]:
    return [sentence(finding) for finding in outcome.findings if finding.fails]


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_the_base_against_itself_passes_every_time(times: int) -> None:
    arms = ("grad", "no_grad")
    base = measured(grad_mode.QUESTION, Case(question="grad_mode", model="linear", batch_size=8), arms)
    known = {item.key.name: item for item in replacements([base], {})}

    failed = [
        number
        for number in range(times)
        if gate(measured(grad_mode.QUESTION, base.records[0].case, arms), known, Limits()).fails
    ]
    assert failed == []


def test_an_evaluation_loop_that_lost_no_grad_is_caught() -> None:
    def lost(case: Case, _arm: str, model: Model) -> Step:
        return grad_mode.QUESTION.build(case, "grad", model)

    base = measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",))
    told = failures(held(measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",), lost), base))

    # a hidden activation of 8 x 512 floats is 16,384 B, and there are two
    assert (
        "worse: grad_mode/mlp-relu/eval/cpu-float32-b8: no_grad: saved 0 B -> 32,768 B, +32,768 B (from 0)"
        " (unique storages that the forward pass saved for backward)" in told
    )


def test_one_more_reshape_is_named_with_its_module() -> None:
    def reshaped(case: Case, arm: str, model: Model) -> Step:
        layer = model.module.get_submodule("2")
        forward = layer.forward
        layer.forward = lambda inputs: forward(inputs.reshape(2, 4, -1).reshape(8, -1))  # type: ignore[method-assign]
        return grad_mode.QUESTION.build(case, arm, model)

    base = measured(grad_mode.QUESTION, GRAD_MODE, ("grad", "no_grad"))
    head = measured(grad_mode.QUESTION, GRAD_MODE, ("grad", "no_grad"), reshaped)
    outcome = held(head, base)

    assert causes(outcome)[0] == "2 (Linear) makes 2 more reshape in each of 2 arms, no byte changed"
    assert causes(compare_runs(listing(base, "base"), listing(head, "head")))[0] == causes(outcome)[0]
    assert {finding.state for finding in outcome.findings} == {FindingState.CHANGED}


def test_a_model_that_records_a_graph_under_no_grad_is_named_with_its_forward_pass() -> None:
    def stubborn(case: Case, arm: str, model: Model) -> Step:
        inner = _Extra(model.module, _cloned)
        return grad_mode.QUESTION.build(case, arm, replace(model, module=_Recording(inner)))

    def wrapped(case: Case, arm: str, model: Model) -> Step:
        return with_extra(_cloned, case, arm, model)

    base = measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",), wrapped)
    head = measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",), stubborn)
    outcome = held(head, base)

    assert causes(compare_runs(listing(base, "base"), listing(head, "head")))[0] == causes(outcome)[0]
    assert re.fullmatch(
        r"no_grad lost in _Recording\.forward \(tests/judge/test_gate_catches\.py:\d+\)", causes(outcome)[0]
    )


def test_a_parameter_that_is_no_longer_frozen_is_caught() -> None:
    def thawed(_case: Case, arm: str, model: Model) -> Step:
        freezing.freeze(model, arm)
        next(model.module.parameters()).requires_grad = True
        return training_step(model)

    base = measured(freezing.QUESTION, FREEZING, ("trunk frozen",))
    told = failures(held(measured(freezing.QUESTION, FREEZING, ("trunk frozen",), thawed), base))

    # the first layer's weight: 256 x 512 floats
    assert any(
        line.startswith("worse: freezing/mlp-relu/train/cpu-float32-b8: trunk frozen: gradients ")
        and "+524,288 B" in line
        for line in told
    )


def decayed_with(groups_of: Callable[[nn.Module], tuple[DecayGroup, ...]], *, checked: bool) -> Build:
    def build(case: Case, _arm: str, model: Model) -> Step:
        groups = groups_of(model.module)
        if checked:
            decay_groups.check_groups(model.module, groups)
        optimizer = decay_groups.make_optimizer(case.variant, groups)
        model.loss_of_forward().backward()
        part = decay_groups.Part("optimizer", optimizer.step)
        forward = decay_groups.Part("forward", model.loss_of_forward)
        return Step((part, forward), model, model.loss_of_forward, optimizer, groups)

    return build


def in_no_group(module: nn.Module) -> tuple[DecayGroup, ...]:
    weight, _bias = module.parameters()
    return (DecayGroup("decayed", 0.01, (weight,)),)


def in_two_groups(module: nn.Module) -> tuple[DecayGroup, ...]:
    weight, bias = module.parameters()
    return (DecayGroup("decayed", 0.01, (weight, bias)), DecayGroup("not decayed", 0.0, (bias,)))


def decay_base() -> Run:
    return measured(decay_groups.QUESTION, DECAY, ("weights and biases",))


def test_a_parameter_in_no_group_is_named() -> None:
    build = decayed_with(in_no_group, checked=True)
    told = failures(
        held(measured(decay_groups.QUESTION, DECAY, ("weights and biases",), build), decay_base())
    )

    assert told == [
        (
            "failed: decay_groups/linear/train/adamw-for-loop/cpu-float32-b8: weights and biases:"
            " WorkloadError: parameter '0.bias' is in no group; it has to be in exactly one"
        )
    ]


def test_a_parameter_in_two_groups_is_named() -> None:
    build = decayed_with(in_two_groups, checked=True)
    told = failures(
        held(measured(decay_groups.QUESTION, DECAY, ("weights and biases",), build), decay_base())
    )

    assert len(told) == 1
    assert "parameter '0.bias' is in 2 groups; it has to be in exactly one" in told[0]


def test_a_parameter_in_no_group_is_caught_by_the_bytes_where_nothing_checks_groups() -> None:
    build = decayed_with(in_no_group, checked=False)
    told = failures(
        held(measured(decay_groups.QUESTION, DECAY, ("weights and biases",), build), decay_base())
    )

    assert any("parameters in group 'not decayed', weight decay 0 1 -> gone" in line for line in told)
    # two moments and a step counter for a single float
    assert any("optimizer state 1,616 B -> 1,604 B, -12 B" in line for line in told)


def test_a_parameter_in_two_groups_is_refused_by_torch_where_nothing_checks_groups() -> None:
    build = decayed_with(in_two_groups, checked=False)
    told = failures(
        held(measured(decay_groups.QUESTION, DECAY, ("weights and biases",), build), decay_base())
    )

    assert len(told) == 1
    assert "ValueError: some parameters appear in more than one parameter group" in told[0]


class _SavesFourKibibytes(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, tensor: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(torch.ones(1024))
        return tensor.clone()

    @staticmethod
    def backward(_context: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return grad


class _Extra(nn.Module):
    def __init__(self, inner: nn.Module, extra: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.inner = inner
        self.added = extra

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.inner(tensor)
        return self.added(output)


class _Recording(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            output: torch.Tensor = self.inner(tensor)
            return output


def with_extra(extra: Callable[[torch.Tensor], torch.Tensor], case: Case, arm: str, model: Model) -> Step:
    return grad_mode.QUESTION.build(case, arm, replace(model, module=_Extra(model.module, extra)))


def _cloned(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone()


def _cloned_with_four_kibibytes(tensor: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = _SavesFourKibibytes.apply(tensor)  # type: ignore[no-untyped-call]
    return output


def _cloned_and_viewed(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone().detach_()


def test_one_more_saved_tensor_of_4_kib_is_caught() -> None:
    base = measured(grad_mode.QUESTION, GRAD_MODE, ("grad",), partial(with_extra, _cloned))
    head = measured(
        grad_mode.QUESTION, GRAD_MODE, ("grad",), partial(with_extra, _cloned_with_four_kibibytes)
    )

    assert any(
        line.startswith(
            "worse: grad_mode/mlp-relu/eval/cpu-float32-b8: grad: saved 32,768 B -> 36,864 B, +4,096 B"
        )
        for line in failures(held(head, base))
    )


def test_one_more_operator_a_step_is_caught() -> None:
    base = measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",), partial(with_extra, _cloned))
    head = measured(grad_mode.QUESTION, GRAD_MODE, ("no_grad",), partial(with_extra, _cloned_and_viewed))
    told = failures(held(head, base))

    assert len(told) == 1
    assert told[0].startswith("changed: grad_mode/mlp-relu/eval/cpu-float32-b8: no_grad: operators ")
    assert ", +1 (" in told[0]
