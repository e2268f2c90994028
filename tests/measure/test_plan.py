"""What is planned by what it costs: places of the freezing curve, and the line that says so."""

import pytest
import torch
from torch import nn

from harness import measure_model
from harness.measure import plan as planning
from harness.measure.plan import Choice, Plan, Price, RecordJob, choose
from harness.record.measured import Case
from harness.setting import Setting
from harness.workload.blocks import find_blocks
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


def _jobs(*names: str) -> tuple[RecordJob, ...]:
    """Return a job a question, of three arms each."""
    return tuple(
        RecordJob(load_question(name), Case(question=name, model="net"), ("a", "b", "c"))
        for name in names or ("grad_mode",)
    )


def test_who_need_not_wait_is_told_nothing() -> None:
    assert not Price(forward_s=0.1, allowed=30).line(Choice(_jobs(), {}), is_timed=True)


def test_who_has_to_wait_is_told_how_long_and_what_is_left_out() -> None:
    price = Price(forward_s=2.0, allowed=30)
    assert price.line(Choice(_jobs(), {}), is_timed=False) == (
        "a forward pass takes 2.0 s, the exact numbers of 3 arms about 27 s"
    )
    assert price.line(Choice(_jobs(), {}), is_timed=False, more_threads=8) == (
        "a forward pass takes 2.0 s, the exact numbers of 3 arms about 27 s (less on a quiet machine with"
        " --threads 8, with peaks of its own)"
    )
    omitted = {"decay_groups": 5, "8 places of the freezing curve": 8}
    assert price.line(Choice(_jobs(), omitted), is_timed=True) == (
        "a forward pass takes 2.0 s, the exact numbers of 3 arms about 27 s, times come after them;"
        " without decay_groups and 8 places of the freezing curve (117 s more, --full)"
    )


_USUAL = ("grad_mode", "freezing", "decay_groups")


@pytest.mark.parametrize(
    ("forward_s", "questions", "places", "omitted"),
    [
        (0.1, _USUAL, 13, {}),  # 22 arms: 9.9 s
        (0.4, _USUAL, 5, {"8 places of the freezing curve": 8}),  # 22 arms: 39.6 s; 14: 25.2 s
        (0.6, _USUAL, 0, {"the freezing curve": 13}),  # 14 arms: 37.8 s; 9: 24.3 s
        (0.9, _USUAL[:2], 0, {"decay_groups": 3, "the freezing curve": 13}),  # 9 arms: 36.5 s; 6: 24.3 s
        (9.0, _USUAL[:2], 0, {"decay_groups": 3, "the freezing curve": 13}),  # the first two are always put
    ],
)
def test_what_is_dear_is_left_out_from_the_end(
    forward_s: float, questions: tuple[str, ...], places: int, omitted: dict[str, int]
) -> None:
    blocks = find_blocks(Model(nn.Sequential(*(nn.Linear(4, 4) for _ in range(12))), (torch.ones(2, 4),)))
    case = Case(question="freezing_curve", model="net", mode="train")
    choice = choose(_jobs(*_USUAL), (case, blocks), Price(forward_s, allowed=30), may_omit=True)

    assert tuple(job.question.name for job in choice.jobs if not job.axis) == questions
    assert sum(len(job.arms) for job in choice.jobs if job.axis) == places
    assert choice.omitted == omitted


def test_what_was_asked_for_by_name_is_measured_whatever_it_costs() -> None:
    choice = choose(_jobs(*_USUAL), None, Price(9.0, allowed=30), may_omit=False)
    assert (len(choice.jobs), choice.omitted) == (3, {})


@pytest.mark.parametrize(
    ("names", "setting", "may_omit"),
    [
        (_USUAL, Setting(), True),
        (_USUAL, Setting(full=True), False),
        (_USUAL, Setting(time=0), False),  # bytes alone: all of them
        (_USUAL, Setting(budget=0.3), False),  # a time an arm, however many there are
        (("grad_mode", "decay_groups"), Setting(), False),
    ],
)
def test_only_the_usual_questions_within_one_time_may_be_left_out(
    names: tuple[str, ...], setting: Setting, *, may_omit: bool
) -> None:
    assert Plan(tuple(map(load_question, names)), setting).may_omit is may_omit


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
