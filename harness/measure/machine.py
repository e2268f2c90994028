"""What makes times of this machine noisy, and how noisy they are now."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from harness.judge.contrasts import unit_medians
from harness.judge.looks import Looks
from harness.judge.noise import round_scatter, smallest_told
from harness.measure.block import TimingBlock
from harness.measure.clock import Clock
from harness.measure.processors import processors, quota, system_text
from harness.measure.sampling import Side

CALLS_S = (3e-4, 1e-3, 3e-3)  # lengths of calls whose scatter is told
SECONDS = 0.6  # of each
_BUSY = 0.1  # of a core, beyond which others are said to run


@dataclass(frozen=True, slots=True)
class Resolution:
    """What calls of one length scatter by now."""

    call_s: float
    scatter: float  # of a round, as a fraction: robust standard deviation
    in_a_second: float  # the smallest difference that a second shows, as a fraction


@dataclass(frozen=True, slots=True)
class NoiseCause:
    """One thing that makes times noisy, or does not."""

    name: str
    state: str  # what it is
    remedy: str = ""  # "" where nothing is to be done


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, now."""

    resolutions: tuple[Resolution, ...]
    causes: tuple[NoiseCause, ...]


def examine(work: Callable[[float], Callable[[], object]], clock: Clock = time.perf_counter) -> Machine:
    """Time work against itself, and look at what the system tells meanwhile.

    Args:
        work: makes a call that takes about so many seconds.
        clock: seconds.
    """
    switched, stolen = _switched(), _stolen()
    started = clock()
    resolutions = tuple(_resolution(work(call_s), call_s, clock) for call_s in CALLS_S)
    took = clock() - started
    before = (switched, stolen)
    return Machine(resolutions, tuple(_causes(before, took)))


def _resolution(call: Callable[[], object], call_s: float, clock: Clock) -> Resolution:
    side = Side((("call", call),))
    block = TimingBlock(side, {"itself": side}, clock, Random(0))
    block.prepare(SECONDS)
    block.run(SECONDS, Looks(0, alpha=1e-9))  # nothing is to be decided
    (samples,) = block.samples("itself")
    deviation = round_scatter(unit_medians(samples))
    rounds_a_second = len(unit_medians(samples)) / samples.measured_s
    return Resolution(call_s, deviation, smallest_told(deviation, rounds_a_second))


def _causes(before: tuple[int, tuple[float, float] | None], took: float) -> Iterator[NoiseCause]:
    cores = processors()
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        others = load > cores * _BUSY + 1
        yield NoiseCause(
            "load",
            f"{load:.1f} on {cores} cores",
            "others run here: wait, or run fewer of them" if others else "",
        )
    switches = _switched() - before[0]
    yield NoiseCause(
        "preempted",
        f"{switches} times in {took:.1f} s",
        "others wait for this core" if switches > 10 * took else "",
    )
    stolen = _stolen()
    if stolen is not None and before[1] is not None and stolen[1] > before[1][1]:
        share = (stolen[0] - before[1][0]) / (stolen[1] - before[1][1])
        yield NoiseCause(
            "stolen",
            f"{share:.1%} of the processor went to other guests".replace("%", " %"),
            "another machine, or another hour" if share > 0.01 else "",  # noqa: PLR2004 (a per cent)
        )
    governor = system_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        yield NoiseCause(
            "governor", governor, "" if governor == "performance" else "cpupower frequency-set -g performance"
        )
    allowed = quota()
    if allowed is not None:
        yield NoiseCause(
            "quota",
            f"{allowed:g} cores",
            "the container stops when it has used them up" if allowed < cores else "",
        )
    threads = os.environ.get("OMP_NUM_THREADS", "")
    yield NoiseCause(
        "threads", f"OMP_NUM_THREADS={threads}" if threads else "torch's own number, unless told", ""
    )


def _switched() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _stolen() -> tuple[float, float] | None:
    """Return ticks that a hypervisor gave to others, and all ticks; None on other systems than Linux."""
    fields = system_text("/proc/stat").split()
    if fields[:1] != ["cpu"]:
        return None
    ticks = [float(each) for each in fields[1:9]]
    return ticks[7], sum(ticks)
