"""Tasks of a fleet: what they run, how machines stay apart, and submitit's local executor."""

from pathlib import Path

import pytest
import runs

from harness.ranks.fleet import FleetError, Task, send, settings_of, tasks
from harness.record.codec import encode
from harness.record.merge import merged
from harness.report.fleet import APART, fleet_text
from harness.report.outcomes import report_files


def test_each_question_and_model_is_a_task() -> None:
    found = tasks(["linear", "lstm"], ["grad_mode", "freezing"], ["--budget", "0"], Path("/shared"))

    assert [(task.target, task.question, task.path) for task in found] == [
        ("linear", "grad_mode", "/shared/runs/0001.json"),
        ("linear", "freezing", "/shared/runs/0002.json"),
        ("lstm", "grad_mode", "/shared/runs/0003.json"),
        ("lstm", "freezing", "/shared/runs/0004.json"),
    ]


def test_a_setting_that_is_no_setting_is_refused() -> None:
    with pytest.raises(FleetError, match="'gpu' is not a setting; write NAME=VALUE"):
        settings_of(["gpu"])


def test_machines_of_one_kind_stay_apart_where_times_are_shown() -> None:
    here, there = (runs.environment(host=name) for name in ("node1", "node2"))
    quick, slow = (runs.record(runs.case("a"), runs.timed("grad", [each] * 9)) for each in (0.001, 0.002))
    first = runs.run(quick, id="one", environment=here)
    second = runs.run(slow, id="two", environment=there)
    third = runs.run(runs.record(runs.case("b"), runs.arm()), id="three", environment=here)

    apart = merged([first, second, third], by_machine=True)

    assert [(run.environment.host, run.id) for run in apart] == [("node1", "one + three"), ("node2", "two")]
    assert len(merged([second, third])) == 1  # exact values of one kind of machine are judged together


def test_a_report_of_many_machines_has_a_part_for_each(tmp_path: Path) -> None:
    for name, seconds in (("node1", 0.001), ("node2", 0.002)):
        timed = runs.record(runs.case("a"), runs.timed("grad", [seconds] * 9))
        run = runs.run(timed, id=name, environment=runs.environment(host=name))
        (tmp_path / f"{name}.json").write_bytes(encode(run))
    found, outcomes = report_files([tmp_path], None, Path("no.toml"))
    text = fleet_text(found)

    assert [run.environment.host for run in found] == ["node1", "node2"]
    assert len(outcomes) == 2
    assert text.index("machine node1, torch 2.13.0, 1 case\n") < text.index("1 ms")
    assert text.index("1 ms") < text.index("machine node2, torch 2.13.0, 1 case\n") < text.index("2 ms")
    assert text.endswith(APART)


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(FleetError, match=r"pip install submitit"):
        send([Task("linear", "grad_mode", (), str(tmp_path / "runs" / "1.json"))], "local", tmp_path, {})


@pytest.mark.slow
def test_the_local_executor_measures_and_says_what_it_could_not(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    told: list[str] = []
    waiting = tasks(["linear", "nope"], ["grad_mode"], ["--budget", "0", "--no-curve"], tmp_path)
    found = send(waiting, "local", tmp_path, {"timeout_min": 5}, told.append)

    (run,) = found.runs
    (problem,) = found.problems
    assert [record.case.id for record in run.records] == ["grad_mode/linear/eval/cpu-float32-b16"]
    assert run.environment.host
    assert problem.startswith("nope, grad_mode: no model 'nope'; there are linear")
    assert problem.endswith("(exit status 2)")
    assert told[0].startswith("linear, grad_mode: measured (job ")
    assert told[1] == problem
