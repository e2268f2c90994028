"""Whether a clock was held back, as a fake of NVIDIA's library tells it; and the real one's names."""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fake_cuda import FakeCuda

from harness.measure.throttle import _REASONS, watch_clock

POWER, IDLE, HEAT = 4, 1, 0x20


class FakeNVMLError(Exception):
    """As the library raises it."""


@dataclass
class FakeNvml:
    """Answers with one set of reasons after another."""

    answers: list[int]
    asked: list[Any] = field(default_factory=list)
    NVMLError: type[Exception] = FakeNVMLError
    nvmlClocksEventReasonSwPowerCap: int = POWER  # noqa: N815 (the library's name)
    nvmlClocksEventReasonSwThermalSlowdown: int = HEAT  # noqa: N815
    nvmlClocksEventReasonGpuIdle: int = IDLE  # noqa: N815

    def nvmlInit(self) -> None:  # noqa: N802
        """Do nothing."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return f"handle of {uuid}"

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:  # noqa: N802
        self.asked.append(handle)
        return self.answers.pop(0)


def test_what_was_seen_at_any_look_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml([0, POWER, HEAT | POWER, IDLE])
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    watch = watch_clock(FakeCuda())

    assert [watch.look() for _ in range(4)] == [False, True, True, False]
    assert watch.notes(2) == (
        "the clock was throttled while it was timed, by its power limit and its temperature",
    )
    assert watch.notes(0) == (
        "rounds in which the clock was throttled, by its power limit and its temperature, were taken again",
    )
    assert nvml.asked == ["handle of GPU-0"] * 4


def test_an_idle_clock_is_not_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([IDLE]))  # type: ignore[arg-type]
    watch = watch_clock(FakeCuda())
    watch.look()

    assert watch.notes(0) == ()


def test_an_older_library_is_asked_by_its_older_names(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = SimpleNamespace(
        NVMLError=FakeNVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda _handle: POWER,
        nvmlClocksThrottleReasonSwPowerCap=POWER,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    watch = watch_clock(FakeCuda())
    watch.look()

    assert watch.notes(1) == ("the clock was throttled while it was timed, by its power limit",)


def test_without_the_library_it_is_said_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # type: ignore[arg-type]
    watch = watch_clock(FakeCuda())
    watch.look()

    (note,) = watch.notes(0)
    assert note == (
        "whether the clock was throttled is not known: pip install nvidia-ml-py brings what tells it"
    )


def test_a_library_that_refuses_is_quoted_and_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml([])

    def refuse(handle: str) -> int:
        nvml.asked.append(handle)
        raise FakeNVMLError("Not Supported")

    nvml.nvmlDeviceGetCurrentClocksEventReasons = refuse  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]
    watch = watch_clock(FakeCuda())
    watch.look()
    watch.look()

    assert watch.notes(0) == ("whether the clock was throttled is not known: Not Supported",)
    assert len(nvml.asked) == 1


def test_a_device_without_a_uuid_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([]))  # type: ignore[arg-type]
    monkeypatch.setattr(FakeCuda, "identifier", "")

    assert "UUID" in watch_clock(FakeCuda()).notes(0)[0]


def test_the_real_library_has_these_names() -> None:
    real: ModuleType = pytest.importorskip("pynvml")

    assert callable(real.nvmlDeviceGetHandleByUUID)
    assert callable(real.nvmlInit)
    assert issubclass(real.NVMLError, Exception)
    for name in _REASONS:
        assert hasattr(real, f"nvmlClocksEventReason{name}") or hasattr(
            real, f"nvmlClocksThrottleReason{name}"
        ), name
