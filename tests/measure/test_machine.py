"""What makes a machine noisy, on a clock that is told what passes."""

import json
from collections.abc import Callable
from random import Random

import pytest
from fakes import FakeClock
from typer.testing import CliRunner

from harness.commands import app
from harness.commands.doctor import machine_text
from harness.measure import machine, processors
from harness.measure.machine import Machine, NoiseCause, Resolution, examine


def work(clock: FakeClock, spread: float) -> Callable[[float], Callable[[], object]]:
    chance = Random(1)

    def of(call_s: float) -> Callable[[], object]:
        return lambda: clock.advance(call_s * (1 + spread * chance.gauss(0, 1)))

    return of


@pytest.mark.parametrize("spread", [0.01, 0.1])
def test_the_scatter_of_a_round_is_that_of_the_work(spread: float) -> None:
    clock = FakeClock()
    for each in examine(work(clock, spread), clock).resolutions:
        # two sides, each with this spread
        assert each.scatter == pytest.approx(spread * 2**0.5, rel=0.25)


def test_a_second_tells_less_where_calls_are_longer() -> None:
    clock = FakeClock()
    told = [each.in_a_second for each in examine(work(clock, 0.05), clock).resolutions]

    assert told == sorted(told)
    assert told[1] == pytest.approx(3.23 * 0.05 * 2**0.5 / 500**0.5, rel=0.25)  # 500 rounds of 2 ms


def test_what_the_system_tells_is_named_with_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
        "/sys/fs/cgroup/cpu.max": "50000 100000",
    }
    for module in (machine, processors):
        monkeypatch.setattr(module, "system_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    clock = FakeClock()
    causes = {cause.name: cause for cause in examine(work(clock, 0.01), clock).causes}

    assert causes["load"].remedy == "others run here: wait, or run fewer of them"
    assert causes["governor"] == NoiseCause("governor", "powersave", "cpupower frequency-set -g performance")
    assert causes["quota"].state == "0.5 cores"
    assert "stolen" not in causes


def test_the_answer_comes_first() -> None:
    found = Machine(
        (Resolution(3e-4, 0.02, 0.001), Resolution(3e-3, 0.1, 0.025)), (NoiseCause("load", "9.0 on 2 cores"),)
    )

    assert machine_text(found).splitlines()[0] == (
        "One second of timing tells differences above 2.5 % here now, in calls of 3 ms."
    )


@pytest.mark.process
def test_the_command_looks_at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SECONDS", 0.02)
    result = CliRunner().invoke(app, ["doctor", "--json", "-"])

    assert result.exit_code == 0
    assert [each["call_s"] for each in json.loads(result.stdout)["resolutions"]] == [3e-4, 1e-3, 3e-3]
