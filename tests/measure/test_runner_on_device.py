"""One arm of one case on a fake device: what is added to its times, its notes and its counts."""

import sys
from dataclasses import replace

import pytest
from fake_cuda import FakeCuda
from fakes import fake_question

from harness.judge.times import median_seconds
from harness.measure import case, observe
from harness.measure.case import measure_arm
from harness.measure.environment import environment
from harness.measure.probes import METRICS
from harness.measure.runner import Settings
from harness.record.check import check_run
from harness.record.schema import ArmResult, Case, Record, Run
from harness.report.tables import case_tables, case_text
from harness.workload.model import Model
from harness.workload.step import Part, Step

CASE = Case(question="fake", model="mlp-relu", batch_size=2)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> ArmResult:
    """Measure an arm of a real model, with work on a fake device after it."""
    device = FakeCuda(workspace_bytes=8_519_680)
    work = device.step(host=1e-5, device=1e-4, cold=1.5e-4)

    def build(_case: Case, _arm: str, model: Model) -> Step:
        def call() -> object:
            work()
            return model()

        return Step((Part("forward", call),), model, call)

    monkeypatch.setattr(case, "device_of", lambda _name: device)
    monkeypatch.setattr(observe, "device_of", lambda _name: device)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # type: ignore[arg-type]
    question = replace(fake_question("plain", "again"), build=build)
    return measure_arm(question, CASE, "again", Settings(budget=0.05))


def test_the_devices_and_the_hosts_time_stand_beside_the_time_of_the_whole(measured: ArmResult) -> None:
    assert [samples.metric for samples in measured.timings] == [
        "time",
        "device busy time",
        "device time",
        "device time, cold cache",
        "host time",
    ]
    timed = {samples.metric: median_seconds(samples.arm) for samples in measured.timings}
    assert timed["device time"] == pytest.approx(1e-4)
    assert timed["device time, cold cache"] == pytest.approx(1.5e-4)


def test_what_limits_it_and_what_is_not_known_of_the_clock_are_notes(measured: ArmResult) -> None:
    limits, clock = measured.notes

    assert "limits" in limits
    assert clock.startswith("whether the clock was throttled is not known: pip install")


def test_the_run_is_one_that_is_read_and_shown(measured: ArmResult) -> None:
    record = Record(case=CASE, asks="?", reference="plain", columns=("peak",), arms=(measured,))
    run = Run(id="x", environment=environment("cpu"), metrics=METRICS, records=(record,))
    check_run(run)
    shown = case_text(case_tables(run)[0])

    assert ". device time " in shown
    assert ". device time, cold cache" in shown
    assert f"again: {measured.notes[0]}" in shown
    assert "again, witnesses, not exact: allocated peak 0 B, reserved peak 0 B" in shown
    assert "workspace 8.125 MiB" in shown
