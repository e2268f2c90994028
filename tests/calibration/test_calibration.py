"""The calibration, on simulated samples and with tiny real runs."""

import re
from pathlib import Path

import msgspec
import psutil
import pytest

from harness.calibration.load import bursty_load
from harness.calibration.plan import CalibrationPlan, PlanError, parse_plan
from harness.calibration.record import Calibration, read_calibration
from harness.calibration.run import calibrate
from harness.errors import HarnessError
from harness.record.codec import UnreadableError


def plan_of(**changes: object) -> CalibrationPlan:
    given = {
        "calls": "20,200",
        "planted": "0,1",
        "kinds": "object",
        "trials": 0,
        "seconds": 12.0,
        "budget": 0.2,
        "load": 0,
    }
    return parse_plan(**{**given, **changes})  # type: ignore[arg-type]


def test_the_seconds_are_shared_among_the_cells() -> None:
    plan = plan_of()
    assert plan.cells == (
        ("object", 2e-5, 0.0, 9),
        ("object", 2e-5, 0.01, 9),
        ("object", 2e-4, 0.0, 9),
        ("object", 2e-4, 0.01, 9),
    )
    assert plan.trials == 36


def test_cells_of_different_numbers_take_turns() -> None:
    plan = plan_of(cells="copies:70:0:6,object:5000:0.2:3,object:20:1:1")
    assert plan.cells == (
        ("copies", 7e-5, 0.0, 6),
        ("object", 5e-3, 0.002, 3),
        ("object", 2e-5, 0.01, 1),
    )
    assert [cell.trials for cell in plan.turns()] == [6, 6, 3, 6, 6, 3, 6, 6, 3, 1]


def test_a_calibration_goes_on_where_an_earlier_one_ended() -> None:
    first = calibrate(plan_of(cells="object:200:0:1,copies:200:1:1", budget=0.05), lambda: None)
    steps: list[None] = []
    both = calibrate(
        plan_of(cells="object:200:0:2,object:400:0:1", budget=0.05), lambda: steps.append(None), first
    )
    assert len(steps) == 3
    assert [(cell.kind, cell.asked_s, len(cell.trials)) for cell in both.cells] == [
        ("object", 2e-4, 2),
        ("object", 4e-4, 1),
        ("copies", 2e-4, 1),
    ]
    assert both.cells[0].trials[0] == first.cells[0].trials[0]
    with pytest.raises(PlanError, match=r"^the earlier calibration has budget 0.05, this one 0.2; give"):
        calibrate(plan_of(), lambda: None, first)


def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"budget": []}')
    with pytest.raises(
        UnreadableError, match=r"other.json is not a calibration: Expected `float`, got `array`"
    ):
        read_calibration(tmp_path / "other.json")
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        read_calibration(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kinds": "objects"}, "no kind 'objects'; there are object, copies, block"),
        ({"calls": "20;30"}, "--calls is '20;30'; give numbers with commas between"),
        ({"calls": "0"}, "give lengths above 0 microseconds"),
        ({"planted": "-1"}, "give slowdowns of 0 percent or more"),
        ({"planted": "nan"}, "give finite numbers"),
        ({"budget": float("nan")}, "--budget is nan; give a number of seconds above 0"),
        ({"seconds": -3.0}, "--seconds is -3.0; give a number of seconds above 0"),
        ({"device": "tpu"}, "no device 'tpu'; there are cpu and cuda"),
        ({"load": -1}, "--trials and --load are counts"),
        ({"cells": "copies:70:0"}, "--cells has 'copies:70:0'; give KIND:MICROSECONDS:PERCENT:TRIALS"),
        ({"cells": "copies:70:0:0"}, "a call is above 0, a slowdown at least 0, trials a count"),
        ({"cells": "copy:70:0:9"}, "no kind 'copy'; there are object, copies, block"),
    ],
)
def test_bad_settings_are_refused_with_what_would_have_worked(changes: dict[str, object], says: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(says)):
        plan_of(**changes)


def test_a_tiny_calibration_keeps_every_comparison_and_survives_its_file() -> None:
    steps: list[None] = []
    found = calibrate(
        plan_of(calls="200", trials=2, budget=0.1, kinds="object,copies,block"), lambda: steps.append(None)
    )
    assert len(steps) == 12
    assert [(cell.kind, cell.planted, len(cell.trials)) for cell in found.cells] == [
        ("object", 0.0, 2),
        ("object", 0.01, 2),
        ("copies", 0.0, 2),
        ("copies", 0.01, 2),
        ("block", 0.0, 2),
        ("block", 0.01, 2),
    ]
    assert all(trial.values for cell in found.cells for trial in cell.trials)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_an_interrupt_keeps_what_was_finished() -> None:
    steps: list[None] = []

    def interrupt() -> None:
        steps.append(None)
        if len(steps) == 3:
            raise KeyboardInterrupt

    found = calibrate(plan_of(calls="200", trials=5, budget=0.1), interrupt)
    assert sum(len(cell.trials) for cell in found.cells) == 3


def test_what_was_found_is_kept_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.calibration.run.KEEP_S", 0.0)
    kept: list[Calibration] = []
    found = calibrate(plan_of(cells="object:200:0:2", budget=0.05), lambda: None, keep=kept.append)
    assert [len(each.cells[0].trials) for each in kept] == [1, 2]
    assert kept[-1] == found
    first, second = (trial.call_s for trial in found.cells[0].trials)
    assert found.cells[0].call_s == (first + second) / 2


def test_the_load_runs_and_is_stopped_whatever_happens() -> None:
    def children() -> int:
        return len([child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE])

    before = children()
    running: list[int] = []

    def fail_beside_it() -> None:
        with bursty_load(2):
            running.append(children())
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_beside_it()
    assert running == [before + 2]
    assert children() == before
