"""The witness: resident memory of a fresh process that runs one step, watched from outside.

It is never gated and never compared as exact: libraries pack and cache, and pages come and go. The
peak is the kernel's own high-water mark; memory_profiler samples the same process for the timeline.
"""

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.record.measured import Case, Metric

WITNESS = Metric(
    "rss", "B", "lower", "witness", "resident bytes a step adds at its peak, in a process of its own"
)

_INTERVAL_S = 0.001
_TURN_S = 0.02
_TIMEOUT_S = 300
_MIB = 1024 * 1024
# Without these, glibc keeps what was freed and a step that needs memory finds it there already.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}


class WitnessError(HarnessError):
    """The fresh process could not be watched, and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the fresh process is to run."""

    case: Case
    arm: str
    seed: int
    threads: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the fresh process says of itself, in bytes."""

    before: int
    peak: int


def witness(case: Case, arm: str, seed: int, threads: int) -> tuple[int, tuple[tuple[float, float], ...]]:
    """Run one step in a fresh process and return its peak of resident bytes, and the timeline.

    Returns:
        Bytes above what the process held when the step began; and (seconds, bytes) samples, both
        from the step's beginning.

    Raises:
        WitnessError: not Linux, or the process failed.
    """
    # The table of probes names this module, and loads where there is torch and no more.
    import msgspec
    from memory_profiler import memory_usage

    if not Path("/proc/self/clear_refs").exists():
        raise WitnessError("resident memory is witnessed through /proc, which this system does not have")
    command = [sys.executable, "-m", "harness.measure.witness"]
    with subprocess.Popen(  # noqa: S603 (this interpreter, this package)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **_MALLOC},
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise WitnessError("the fresh process has no pipes")
        process.stdin.write(msgspec.json.encode(Request(case, arm, seed, threads)) + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            reason = process.stderr.read().decode(errors="replace").strip().splitlines() or [
                "it said nothing"
            ]
            raise WitnessError(f"the fresh process failed: {reason[-1]}")
        process.stdin.write(b"go\n")
        process.stdin.flush()
        start = time.time()
        sampled: list[tuple[float, float]] = []
        # memory_usage samples until its time is up, also a process that has ended: so in short turns.
        while not select.select([process.stdout], [], [], 0)[0]:
            sampled += memory_usage(process.pid, interval=_INTERVAL_S, timeout=_TURN_S, timestamps=True)
            if time.time() - start > _TIMEOUT_S:
                process.kill()
                raise WitnessError(f"the fresh process did not end its step within {_TIMEOUT_S} s")
        try:
            reading = msgspec.json.decode(process.stdout.readline(), type=Seen)
        except msgspec.DecodeError as error:
            raise WitnessError("the fresh process ended without a reading") from error
    timeline = tuple((round(at - start, 4), float(mib) * _MIB - reading.before) for mib, at in sampled)
    return reading.peak - reading.before, timeline
