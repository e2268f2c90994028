"""What is planned by what it costs: places of the freezing curve, and the line that says so."""

import pytest
import torch
from torch import nn

from harness import measure_model
from harness.measure import plan as planning
from harness.measure.plan import Plan, Price, RecordJob
from harness.record.measured import Case
from harness.setting import Setting
from harness.workload.freezing_curve import places
from harness.workload.model import Model
from harness.workload.questions import load_question


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        (Setting(), 30.0),  # half of a minute
        (Setting(time=300), 150.0),
        (Setting(time=0), 60.0),  # nothing else takes time
        (Setting(budget=0), 60.0),
        (Setting(budget=2), 30.0),
    ],
)
def test_exact_numbers_have_half_of_a_run_that_also_takes_times(setting: Setting, seconds: float) -> None:
    assert Plan((), setting).exact_s == seconds


def test_a_cheap_curve_is_taken_whole_and_a_dear_one_at_five_places() -> None:
    assert Price(forward_s=0.01, allowed=30).places(others=15, places=13) == 13
    assert Price(forward_s=1.0, allowed=30).places(others=15, places=13) == 5
    assert Price(forward_s=1.0, allowed=30).places(others=15, places=3) == 3


def test_a_curve_of_few_places_has_both_ends_and_none_twice() -> None:
    for blocks in range(1, 40):
        taken = places(blocks, 5)
        assert taken[0] == 0
        assert taken[-1] == blocks
        assert len(set(taken)) == len(taken) == min(5, blocks + 1)


def _jobs() -> list[RecordJob]:
    question = load_question("grad_mode")
    case = Case(question="grad_mode", model="net")
    return [RecordJob(question, case, ("grad", "no_grad", "inference_mode"))]


def test_who_need_not_wait_is_told_nothing() -> None:
    assert not Price(forward_s=0.1, allowed=30).line(_jobs(), 0, is_timed=True)


def test_who_has_to_wait_is_told_how_long_and_what_is_left_out() -> None:
    price = Price(forward_s=2.0, allowed=30)
    assert price.line(_jobs(), 0, is_timed=False) == (
        "a forward pass takes 2.0 s, the exact numbers of 3 arms about 27 s"
    )
    assert price.line(_jobs(), 8, is_timed=True) == (
        "a forward pass takes 2.0 s, the exact numbers of 3 arms about 27 s, times come after them;"
        " 8 places of the freezing curve are left out (72 s more, --full)"
    )


def _deep(batch_size: int = 2) -> Model:
    return Model(nn.Sequential(*(nn.Linear(4, 4) for _ in range(9))), (torch.ones(batch_size, 4),))


@pytest.mark.process
@pytest.mark.parametrize(("full", "taken"), [(False, [0, 2, 4, 7, 9]), (True, list(range(10)))])
def test_what_is_left_out_is_named_with_the_option_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, *, full: bool, taken: list[int]
) -> None:
    monkeypatch.setattr(planning, "EXACT_PASSES", 1e9)
    measured = measure_model(_deep, time=0, questions=("grad_mode",), full=full)

    assert [arm.axis for arm in measured.record("freezing_curve").arms] == taken
    left_out = ["5 places" in note and "--full" in note for note in measured.notes]
    assert left_out == [not full]
