"""The share of a session's time that is inside measured calls, and that few calls do where each is long."""

from collections.abc import Callable

import msgspec
import pytest
import torch
from fakes import FakeClock, fake_entry, fake_question
from torch import nn

from harness import measure_model
from harness.judge.looks import Looks
from harness.measure.block import TimingBlock
from harness.measure.case import measure_arm
from harness.measure.meter import Meter, metered
from harness.measure.observe import Observation
from harness.measure.recording import trace
from harness.measure.runner import Settings
from harness.record.schema import Case
from harness.report.measurement import took_line
from harness.workload.model import Model
from harness.workload.models import MODELS
from harness.workload.step import Part, Step
from harness.workload.training import training_step

pytestmark = pytest.mark.process

CASE = Case(question="fake", model="fake", batch_size=2)


def test_a_meter_adds_the_seconds_of_calls_and_of_nothing_else() -> None:
    clock = FakeClock()
    model = Model(nn.Identity(), ())
    bare = Step((Part("forward", lambda: clock.advance(2.0)),), model, lambda: clock.advance(0.5))
    meter = Meter()
    step = metered(bare, meter, clock)

    step()
    clock.advance(10.0)
    step.forward()

    assert meter.seconds == 2.5


def test_a_call_that_fails_counts_until_it_failed() -> None:
    clock = FakeClock()

    def fail() -> None:
        clock.advance(1.0)
        raise ValueError("no luck")

    meter = Meter()
    step = metered(Step((Part("forward", fail),), Model(nn.Identity(), ()), fail), meter, clock)

    with pytest.raises(ValueError, match="no luck"):
        step()
    assert meter.seconds == 1.0


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Register the fake model; the list is of the modules that ran, in their order and each time."""
    modules: list[nn.Module] = []
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", modules.append))
    return modules


def test_nothing_looks_on_in_a_sample(ran: list[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[Callable[[], object]] = []
    run = TimingBlock.run

    def watched(self: TimingBlock, budget: float, looks: Looks, control: str = "") -> None:
        sides = (self.reference, *self.arms.values())
        parts.extend(call for side in sides for _, call in side.parts)
        run(self, budget, looks, control)

    monkeypatch.setattr(TimingBlock, "run", watched)
    settings = Settings(budget=0.01)
    measure_arm(fake_question("reference", "arm"), CASE, "arm", settings)

    assert ran
    assert all(isinstance(call, Model) for call in parts)
    assert settings.meter.seconds > 0


def test_the_calls_of_a_session_are_part_of_its_time() -> None:
    model = Model(nn.Linear(64, 64), (torch.ones(8, 64),))
    run = measure_model(model, questions=("grad_mode",), budget=0.05, curve=False).run

    timings = [samples for record in run.records for arm in record.arms for samples in arm.timings]

    assert timings
    assert sum(samples.measured_s for samples in timings) < run.calls_s < run.wall_s


def test_the_line_at_the_end_says_how_long_and_which_share() -> None:
    model = Model(nn.Linear(2, 2), (torch.ones(1, 2),))
    run = measure_model(model, questions=("grad_mode",), budget=0, curve=False).run

    assert took_line(msgspec.structs.replace(run, wall_s=0.0)) == ""
    assert took_line(msgspec.structs.replace(run, wall_s=40.0, calls_s=32.0)) == (
        "took 40 s, 80 % of it inside measured calls (warm-up, samples, exact passes)"
    )


def test_a_step_says_the_same_of_its_forward_pass_as_the_pass_by_itself() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 4))
    step = training_step(Model(module, (torch.ones(8, 32),)))
    step()
    alone = trace([step.forward])
    seen = Observation(step)

    assert list(seen.forward.levels()) == list(alone.levels())
    assert len(seen.forward.operators) == len(alone.operators)
    assert seen.gradient_bytes == sum(parameter.numel() * 4 for parameter in module.parameters())
