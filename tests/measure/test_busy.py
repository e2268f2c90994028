"""How long a device works for a call: from literal traces, and from those of a fake device."""

from random import Random
from typing import Any

import pytest
from fake_cuda import FakeCuda

from harness.measure.block import Pair
from harness.measure.busy import busy_in
from harness.measure.limit import Work, limit_of
from harness.measure.sampling import Side
from harness.measure.traced import traced_work


def span(name: str, start: float, end: float) -> dict[str, Any]:
    return {"cat": "user_annotation", "name": name, "ts": start, "dur": end - start}


def launch(at: float, number: int, name: str = "cudaLaunchKernel") -> dict[str, Any]:
    return {"cat": "cuda_runtime", "name": name, "ts": at, "dur": 1.0, "args": {"correlation": number}}


def work(start: float, end: float, number: int, cat: str = "kernel") -> dict[str, Any]:
    return {"cat": cat, "name": "k", "ts": start, "dur": end - start, "args": {"correlation": number}}


def test_what_overlaps_counts_once_and_pauses_do_not_count() -> None:
    events = [
        *(span("a", 0, 10), launch(1, 1), launch(2, 2), launch(3, 3, "cudaMemcpyAsync")),
        *(work(5, 9, 1), work(7, 11, 2), work(20, 22, 3, "gpu_memcpy")),
    ]
    (busy,) = busy_in(events, ["a"])

    assert busy.seconds == pytest.approx(8e-6)
    assert (busy.launches, busy.missing) == (2, 0)


def test_work_belongs_to_the_stretch_that_launched_it_whenever_it_ran() -> None:
    events = [
        *(span("a", 0, 10), launch(1, 1), span("b", 20, 30), launch(21, 2)),
        *(work(22, 28, 1), work(28, 29, 2)),
    ]

    assert [busy.seconds for busy in busy_in(events, ["a", "b"])] == pytest.approx([6e-6, 1e-6])


def test_work_that_no_stretch_launched_belongs_to_none() -> None:
    events = [launch(0, 9), span("a", 1, 10), launch(2, 1), work(2, 4, 9), work(4, 5, 1)]

    assert busy_in(events, ["a"])[0].seconds == pytest.approx(1e-6)


def test_a_launch_without_a_record_is_missing_and_an_empty_copy_is_not() -> None:
    events = [span("a", 0, 10), launch(1, 1), launch(2, 2), launch(3, 3, "cudaMemcpyAsync"), work(4, 5, 2)]

    assert busy_in(events, ["a"])[0].missing == 1


def test_a_graphs_many_kernels_have_the_number_of_its_launch() -> None:
    events = [span("a", 0, 10), launch(1, 1, "cudaGraphLaunch"), work(2, 3, 1), work(4, 6, 1)]
    (busy,) = busy_in(events, ["a"])

    assert busy.seconds == pytest.approx(3e-6)
    assert busy.missing == 0


def side_of(fake: FakeCuda, **step: Any) -> Side:
    return Side((("call", fake.step(**step)),))


def test_a_trace_that_lacks_its_first_records_is_taken_again_behind_dummies() -> None:
    device = FakeCuda(lost=50)
    side = side_of(device, host=1e-4, device=2e-4, launches=10)
    traced = traced_work(Pair(side, side, Random(0)), device, Random(1), 4)

    assert traced.samples is not None
    assert traced.samples.arm[0] == pytest.approx((2e-4,) * 4)


def test_a_trace_that_goes_on_lacking_records_is_refused_with_how_many() -> None:
    device = FakeCuda(lost=100_000)
    side = side_of(device, host=1e-4, device=2e-4, launches=10)
    traced = traced_work(Pair(side, side, Random(0)), device, Random(1), 4)

    assert traced.samples is None
    assert traced.refusal == "80 of 80 launches have no record in the profiler's trace"


def test_a_profiler_that_cannot_be_had_is_a_refusal() -> None:
    class Taken(FakeCuda):
        def trace(self, _stretches: Any) -> Any:
            raise RuntimeError("CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED\nand more")

    device = Taken()
    side = side_of(device, host=1e-4, device=2e-4)
    traced = traced_work(Pair(side, side, Random(0)), device, Random(1), 4)

    assert (traced.samples, traced.refusal) == (None, "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED")


@pytest.mark.parametrize("steps", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_in_random_steps_the_device_works_as_long_as_it_does_and_no_limit_is_false(steps: int) -> None:
    draw = Random(7)
    for _ in range(steps):
        device = FakeCuda(lost=draw.choice([0, 0, 30]), slow_launches=draw.choice([0, 200]))
        launches = draw.choice([1, 5, 20, 60, 60, 1500] if draw.random() < 0.1 else [1, 5, 20, 60])
        host, work = 10 ** draw.uniform(-5, -2), 10 ** draw.uniform(-5, -2)
        waits = draw.choice([0, 0, 1, 3])
        step = device.step(host=host / (waits + 1), device=work / (waits + 1), launches=launches)

        def call(device: FakeCuda = device, step: Any = step, waits: int = waits) -> None:
            for _ in range(waits):
                step()
                device.wait()
            step()

        while device.launched < device.slow_launches:  # the clock has risen before anything is timed
            call()
        device.synchronize()
        start = device.clock.now
        call()
        issued = device.clock.now - start
        device.synchronize()
        wall = device.clock.now - start
        side = Side((("call", call),))
        traced = traced_work(Pair(side, side, Random(0)), device, draw, 3)

        assert traced.samples is not None
        busy = sorted(traced.samples.arm[0])[1]
        assert busy == pytest.approx(work, rel=0.01)
        limit = limit_of(Work(wall, issued, busy, waits))
        assert limit != "device" or work / wall >= 0.89
        assert limit != "host" or (work / wall <= 0.76 and not waits)
        assert limit != "waits" or waits
