"""The door to CUDA, opened onto a fake of torch's: what is asked of it, by torch's names."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_cuda import SECONDS_A_COUNT, FakeCuda

from harness.measure import history
from harness.measure.clock import clock_for
from harness.measure.device_times import occupy
from harness.measure.devices.cuda import BACKEND, CudaDevice, memory_history
from harness.measure.devices.registry import device_of
from harness.measure.history import check_history
from harness.measure.torch_compat import writes_memory_history
from harness.record.store import StoreError
from harness.workload.model import Model, UnsupportedError
from harness.workload.step import Part, Step

writes_history = pytest.mark.skipif(
    not writes_memory_history(), reason="torch 2.0 writes it otherwise; drop with that tox factor"
)


@dataclass
class FakeProperties:
    L2_cache_size: int = 4096
    uuid: str = "11-22"


@dataclass
class FakeTorchEvent:
    enable_timing: bool
    streams: list[Any] = field(default_factory=list)

    def record(self, stream: object) -> None:
        self.streams.append(stream)

    def elapsed_time(self, _end: object) -> float:
        return 2.5  # milliseconds


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Put a fake under torch.cuda; the list is of what it was asked."""
    calls: list[tuple[str, Any]] = []

    def fake(name: str, answer: Any) -> None:
        def call(*arguments: Any) -> Any:
            calls.append((name, *arguments))
            return answer

        monkeypatch.setattr(torch.cuda, name, call)

    fake("synchronize", None)
    fake("reset_peak_memory_stats", None)
    fake("memory_stats", {"requested_bytes.all.current": 640, "requested_bytes.all.peak": 9000})
    fake("current_stream", "the stream")
    fake("get_device_properties", FakeProperties())
    fake("current_device", 2)
    monkeypatch.setattr(torch.cuda, "Event", FakeTorchEvent)
    return calls


def test_cuda_without_a_number_is_the_current_device(asked: list[tuple[str, Any]]) -> None:
    found = device_of("cuda")

    assert found is not None
    assert (found.name, found.index) == ("cuda:2", 2)
    assert device_of("cuda:2") is found
    assert device_of("cpu") is None
    assert asked == [("current_device",)]


def test_an_event_takes_times_and_is_recorded_on_the_devices_own_stream(asked: list[tuple[str, Any]]) -> None:
    event = CudaDevice(1).record()

    assert event.enable_timing  # type: ignore[attr-defined]
    assert event.streams == ["the stream"]  # type: ignore[attr-defined]
    assert asked == [("current_stream", 1)]
    assert CudaDevice(1).seconds(event, event) == 0.0025


def test_the_clock_of_a_device_waits_for_that_device(asked: list[tuple[str, Any]]) -> None:
    before = clock_for("cuda:1")()

    assert asked == [("synchronize", 1)]
    assert clock_for("cuda:1")() >= before


def test_statistics_and_peaks_are_the_devices_own(asked: list[tuple[str, Any]]) -> None:
    device = CudaDevice(3)
    device.reset_peaks()
    found = device.memory()

    assert (found.requested, found.requested_peak) == (640, 9000)
    assert asked == [("reset_peak_memory_stats", 3), ("memory_stats", 3)]


def test_a_flush_writes_twice_the_cache(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, Any]]
) -> None:
    made: list[tuple[int, dict[str, Any]]] = []
    empty = torch.empty

    def fake_empty(size: int, **options: Any) -> torch.Tensor:
        made.append((size, options))
        return empty(size, dtype=torch.uint8)

    monkeypatch.setattr(torch, "empty", fake_empty)
    device = CudaDevice(0)
    device.flush_cache()
    device.flush_cache()

    assert made == [(8192, {"dtype": torch.uint8, "device": "cuda:0"})]
    assert ("get_device_properties", 0) in asked


def test_a_tensor_on_the_cpu_is_not_held_by_a_device() -> None:
    assert not CudaDevice(0).holds(torch.ones(1))


def test_a_device_is_told_by_its_uuid(asked: list[tuple[str, Any]]) -> None:
    assert CudaDevice(1).identifier == "GPU-11-22"
    assert asked == [("get_device_properties", 1)]


def test_a_device_is_occupied_for_as_long_as_asked() -> None:
    device = FakeCuda()
    occupy(device, 0.003)
    device.synchronize()

    assert device.clock.now == pytest.approx(0.003, abs=SECONDS_A_COUNT)


def test_there_is_no_device_where_torch_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    assert BACKEND.count() == 0


@writes_history
def test_a_memory_history_is_recorded_written_and_switched_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        torch.cuda.memory, "_record_memory_history", lambda **options: calls.append(("record", options))
    )
    monkeypatch.setattr(torch.cuda.memory, "_dump_snapshot", lambda path: calls.append(("dump", path)))

    with memory_history(tmp_path / "history.pickle", 1):
        calls.append(("step", None))

    assert calls == [
        ("record", {"max_entries": 1_000_000, "device": 1}),
        ("step", None),
        ("dump", str(tmp_path / "history.pickle")),
        ("record", {"enabled": None, "device": 1}),
    ]


@writes_history
def test_a_step_that_raises_leaves_no_history_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", lambda **options: calls.append(options))

    with pytest.raises(ValueError, match="the step's"), memory_history(tmp_path / "history.pickle", 0):
        raise ValueError("the step's own")

    assert calls[-1] == {"enabled": None, "device": 0}
    assert not list(tmp_path.iterdir())


@writes_history
def test_a_torch_that_has_moved_the_door_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(torch.cuda.memory, "_dump_snapshot")

    with pytest.raises(UnsupportedError, match="cannot write its memory history"):
        memory_history(tmp_path / "history.pickle", 0).__enter__()


@writes_history
def test_the_door_of_the_memory_history_is_where_it_is_looked_for() -> None:
    """It begins with an underscore: when torch moves it, this fails before a user finds out."""
    import inspect

    parameters = inspect.signature(torch.cuda.memory._record_memory_history).parameters
    assert {"enabled", "max_entries", "device"} <= parameters.keys()
    assert next(iter(inspect.signature(torch.cuda.memory._dump_snapshot).parameters)) == "filename"


def test_a_memory_history_of_the_cpu_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^a memory history is kept by CUDA's allocator"):
        check_history("cpu", tmp_path / "history.pickle")


def test_a_memory_history_is_of_a_step_that_has_run_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = FakeCuda()

    @contextmanager
    def recorded(path: Path, index: int) -> Iterator[None]:
        device.log.append(f"record {path.name} of {index}")
        yield
        device.log.append("written")

    monkeypatch.setattr(history, "device_of", lambda _name: device)
    monkeypatch.setattr(history, "backend_of", lambda _name: SimpleNamespace(memory_history=recorded))
    call = device.step(1e-5, 1e-3)
    model = Model(torch.nn.Linear(1, 1), (torch.ones(1, 1),))
    history.write_history(Step((Part("forward", call),), model, call), "cuda", tmp_path / "history.pickle")

    assert device.log == ["step", "record history.pickle of 0", "step", "written"]
    assert device.clock.now == pytest.approx(2e-3 + 2e-5)  # the device was waited for before each end


def test_a_memory_history_has_to_have_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="its folder does not exist"):
        check_history("cuda", tmp_path / "missing" / "history.pickle")


class FakeDriver:
    """NVIDIA's bindings of the driver, of which one function is asked; it answers with a status alone."""

    CUstreamWaitValue_flags = SimpleNamespace(CU_STREAM_WAIT_VALUE_GEQ=0)
    CUresult = SimpleNamespace(CUDA_SUCCESS=0)

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.waits: list[tuple[Any, ...]] = []

    def cuStreamWaitValue32(self, *arguments: Any) -> tuple[int]:  # noqa: N802 (the driver's name)
        self.waits.append(arguments)
        return (self.status,)


@pytest.fixture
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine without CUDA make what would be pinned."""
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, dtype, pin_memory: zeros(*size, dtype=dtype))  # noqa: ARG005
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _index: SimpleNamespace(cuda_stream=77))


@pytest.mark.usefixtures("unpinned")
def test_a_stream_is_held_on_a_number_that_is_one_when_it_is_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = FakeDriver()
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", driver)  # type: ignore[arg-type]
    hold = CudaDevice(0).hold(60)

    assert hold is not None
    assert driver.waits == [(77, hold.flag.data_ptr(), 1, 0)]
    assert hold.flag.item() == 0
    hold.release()
    assert hold.flag.item() == 1
    assert not hold.expired


@pytest.mark.usefixtures("unpinned")
def test_the_watchdog_releases_a_stream_that_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", FakeDriver())  # type: ignore[arg-type]
    hold = CudaDevice(0).hold(0.01)

    assert hold is not None
    assert hold._watchdog is not None
    hold._watchdog.join()
    assert (hold.expired, hold.flag.item()) == (True, 1)


@pytest.mark.usefixtures("unpinned")
@pytest.mark.parametrize("driver", [None, FakeDriver(status=801)])
def test_where_the_driver_is_missing_or_refuses_nothing_is_held(
    monkeypatch: pytest.MonkeyPatch, driver: FakeDriver | None
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", driver)  # type: ignore[arg-type]
    assert CudaDevice(0).hold(60) is None
