"""One model for the exact passes of all arms: no arm leaves anything to the next; each pass is run once."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from fakes import Watched
from torch import nn

from harness.measure.case import CaseMeasurement, Failure, measure_arm
from harness.measure.runner import Settings
from harness.measure.shared_model import SharedModel
from harness.record.schema import ArmResult, Case
from harness.workload.blocks import find_blocks
from harness.workload.freezing_curve import curve_question
from harness.workload.model import Model
from harness.workload.models import MODELS, Entry
from harness.workload.question import Question
from harness.workload.questions import load_question

pytestmark = pytest.mark.process

FREEZING = Case(question="freezing", model="fake", batch_size=2, mode="train")
GROUPS = Case(question="decay_groups", model="fake", batch_size=2, mode="train", variant="adamw-foreach")


class _Net(nn.Module):
    """Three blocks with dropout and running statistics, and a head; tells a watcher of each pass."""

    def __init__(self, watch: Callable[[nn.Module], object]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3))
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.5)
        self.watched = Watched(watch)
        self.watched.weight = nn.Parameter(torch.ones(8))
        self.head = nn.Linear(8, 2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take values (N, 8), return (N, 2)."""
        for block in self.blocks:
            values = block(values)
        return self.head(self.dropout(self.watched(self.norm(values))))


def _entry(watch: Callable[[nn.Module], object] = lambda _module: None) -> Entry:
    return Entry(
        "fake",
        lambda batch_size: Model(_Net(watch), (torch.randn(batch_size, 8),), head="head"),
        batch_size=2,
    )


def _measurement(question: Question, case: Case, entry: Entry) -> CaseMeasurement:
    return CaseMeasurement(question, case, Settings(budget=0), entry)


def _curve() -> Question:
    return curve_question(find_blocks(_entry().build(2)))


def _questions() -> list[tuple[Question, Case]]:
    curve = Case(question="freezing_curve", model="fake", batch_size=2, mode="train")
    return [
        (load_question("freezing"), FREEZING),
        (load_question("decay_groups"), GROUPS),
        (_curve(), curve),
    ]


def _as_built(model: Model) -> dict[str, object]:
    """Return what an arm could leave behind."""
    return {
        "trained": [name for name, each in model.module.named_parameters() if each.requires_grad],
        "gradients": [name for name, each in model.module.named_parameters() if each.grad is not None],
        "attributes": [sorted(vars(each)) for each in model.module.modules()],
        "hooks": sum(len(each._forward_hooks) + len(each._backward_hooks) for each in model.module.modules()),
        "modes": [each.training for each in model.module.modules()],
        "buffers": [each.tolist() for each in model.module.buffers()],
        "inputs": [each.tolist() for each in model.inputs],  # type: ignore[union-attr, attr-defined]
    }


@pytest.mark.parametrize(("question", "case"), _questions(), ids=lambda each: getattr(each, "name", ""))
def test_nothing_of_an_arm_is_left_to_the_next(question: Question, case: Case) -> None:
    measurement = _measurement(question, case, _entry())
    model = measurement.model.model_for(case)
    built = _as_built(model)

    for result in measurement.exact(question.arms(measurement.entry)):
        assert isinstance(result, ArmResult), result
        assert measurement.model.model_for(case) is model
        assert _as_built(model) == built, result.arm


@pytest.mark.parametrize(("question", "case"), _questions(), ids=lambda each: getattr(each, "name", ""))
def test_on_one_model_each_arm_has_the_numbers_that_it_has_by_itself(
    question: Question, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "fake", _entry())
    arms = question.arms(_entry())
    together = list(_measurement(question, case, _entry()).exact(arms))

    for arm, result in zip(arms, together, strict=True):
        assert isinstance(result, ArmResult), result
        alone = measure_arm(question, case, arm, Settings(budget=0), entry=_entry())
        assert (result.counts, result.books) == (alone.counts, alone.books), arm
        assert (result.groups, result.varies, result.warnings) == (alone.groups, {}, alone.warnings), arm


def _passes(question: Question, case: Case) -> dict[str, int]:
    """Return how often each arm ran the model."""
    calls: list[nn.Module] = []
    measurement = _measurement(question, case, _entry(calls.append))
    passes = {}
    for result in measurement.exact(question.arms(measurement.entry)):
        passes[result.arm] = len(calls)
        calls.clear()
    assert measurement.model.builds == 1
    return passes


def test_a_frozen_arm_runs_its_step_once_and_its_forward_pass_once() -> None:
    assert _passes(load_question("freezing"), FREEZING) == {
        "all trainable": 4,  # the step twice, its forward pass, and that under `no_grad`
        "trunk frozen": 2,
        "head frozen": 2,
        "biases only": 2,
        "all frozen": 1,
        "trunk under no_grad": 4,  # two of them to see what runs before the head, and whether that trains
    }


def test_decay_groups_run_the_forward_pass_of_their_step_alone() -> None:
    first, *others = _passes(load_question("decay_groups"), GROUPS).values()

    assert first == 5  # one for the gradients, the step twice, its forward pass, and that under `no_grad`
    assert others == [1] * 5


def test_a_step_of_the_freezing_curve_runs_twice() -> None:
    case = Case(question="freezing_curve", model="fake", batch_size=2, mode="train")
    assert list(_passes(_curve(), case).values())[1:] == [2, 2, 2]


def test_gradients_that_the_arms_of_one_case_begin_with_are_gone_in_the_next() -> None:
    """They are as large as the weights."""
    shared = SharedModel(_entry(), 0)
    groups = _measurement(load_question("decay_groups"), GROUPS, _entry())
    groups.model = shared
    assert [each.status for each in groups.exact(("one group", "timm")) if isinstance(each, ArmResult)] == [
        "ok"
    ] * 2
    gradients = [weakref.ref(each) for each in shared._gradients.values()]
    assert gradients
    del groups
    curve = Case(question="freezing_curve", model="fake", batch_size=2, mode="train")

    with shared.arm(_curve(), curve, "nothing frozen"):
        gc.collect()
        assert [each for each in gradients if each() is not None] == []


class _Remembering(nn.Module):
    """Adds what it returned before: a call changes what the next one reads."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.before: torch.Tensor | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values (N, 4)."""
        result = self.layer(values if self.before is None else values + self.before)
        self.before = result.detach()
        return result


def test_a_model_that_keeps_state_is_built_anew_for_each_arm() -> None:
    entry = Entry("fake", lambda size: Model(_Remembering(), (torch.ones(size, 4),)), batch_size=2)
    case = Case(question="grad_mode", model="fake", batch_size=2, mode="eval")
    measurement = _measurement(load_question("grad_mode"), case, entry)

    assert all(
        isinstance(each, ArmResult) for each in measurement.exact(("grad", "no_grad", "inference_mode"))
    )
    assert measurement.model.builds == 3


def test_where_memory_runs_out_in_one_arm_the_others_go_on() -> None:
    # In torch's words, in the second arm's step: a model that is left half done is built anew.
    calls = 0

    def watch(_module: nn.Module) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
            )

    question = load_question("freezing")
    measurement = _measurement(question, FREEZING, _entry(watch))
    first, failed, *others = measurement.exact(question.arms(measurement.entry))

    assert isinstance(failed, Failure)
    assert failed.reason.startswith("out of memory at batch size 2: RuntimeError: ")
    assert isinstance(first, ArmResult)
    assert all(isinstance(each, ArmResult) for each in others)
    assert measurement.model.builds == 2
