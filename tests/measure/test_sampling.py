"""The atom of timing, on a device that takes exactly the time it is told to take."""

import cProfile
import gc
import sys

import pytest
from anew import printed_anew
from fakes import FakeClock, FakeDevice

from harness.measure.sampling import WARM_S, Side, TimingError, quiet, sample, warm, warm_cost


def test_a_sample_is_seconds_a_call_divided_once() -> None:
    device = FakeDevice()
    side = Side((("forward", device.work("call", 0.25)),))

    assert sample(side, 8, device.clock) == (0.25,)
    assert device.ran("call") == 8


def test_a_sample_of_several_parts_is_the_whole_and_each_part() -> None:
    device = FakeDevice()
    parts = (("forward", device.work("f", 0.5)), ("backward", device.work("b", 1.0)))

    assert sample(Side(parts), 4, device.clock) == (1.5, 0.5, 1.0)
    assert device.log == ["f", "b"] * 4


def test_nothing_of_python_disturbs_and_all_of_it_comes_back() -> None:
    def tracer(*_: object) -> None:
        return None

    def profiler(*_: object) -> None:
        return None

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(tracer)
    sys.setprofile(profiler)
    try:
        with quiet():
            inside = gc.isenabled(), sys.gettrace(), sys.getprofile()
        after = gc.isenabled(), sys.gettrace(), sys.getprofile()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])

    assert inside == (False, None, None)
    assert after == (True, tracer, profiler)


def test_a_running_cprofile_sees_nothing_of_it_and_goes_on_after() -> None:
    def before() -> None: ...

    def inside() -> None: ...

    def after() -> None: ...

    profiler = cProfile.Profile()
    profiler.enable()
    try:
        before()
        with quiet():
            inside()
        after()
    finally:
        profiler.disable()
    seen = {entry.code.co_name for entry in profiler.getstats() if not isinstance(entry.code, str)}

    assert {"before", "after"} <= seen
    assert "inside" not in seen


def test_the_collector_comes_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError

    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with quiet():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_side_is_called_until_it_is_warm_and_the_later_half_counts() -> None:
    clock = FakeClock()
    costs = iter([0.5 * WARM_S, 0.3 * WARM_S, 0.2 * WARM_S, 0.1 * WARM_S])

    def call() -> None:
        clock.advance(next(costs))

    assert warm(Side((("forward", call),)), clock) == pytest.approx(0.25 * WARM_S)
    assert list(costs) == [0.1 * WARM_S]


def test_a_side_is_called_twice_however_long_a_call_is() -> None:
    device = FakeDevice()

    assert warm(Side((("forward", device.work("call", 2.0)),)), device.clock) == 2.0
    assert device.ran("call") == 2


def test_a_call_that_is_longer_than_it_may_be_is_called_once_more_unless_it_is_ten_times_too_long() -> None:
    device = FakeDevice()
    for name, seconds in (("long", 2.0), ("endless", 20.0)):
        with pytest.raises(TimingError, match="longer than the budget of 1 s"):
            warm(Side((("forward", device.work(name, seconds)),)), device.clock, longest=1.0)

    assert (device.ran("long"), device.ran("endless")) == (2, 1)


@pytest.mark.parametrize(("costs", "cost"), [([3.0], 3.0), ([9.0, 1.0], 1.0), ([9.0, 9.0, 1.0, 2.0], 1.5)])
def test_a_warm_call_costs_the_median_of_the_later_half(costs: list[float], cost: float) -> None:
    assert warm_cost(costs) == cost


@pytest.mark.process
def test_it_loads_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import harness.measure.sampling;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    printed = printed_anew(script)

    assert set(printed.split()) - sys.stdlib_module_names == {"harness"}
