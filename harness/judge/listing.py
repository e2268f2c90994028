"""One side of a comparison: a run of this project, or another project's benchmarks, in one form."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.judge.times import times_of
from harness.judge.unpaired import Spread
from harness.record.measured import Calls, CodeLine
from harness.record.names import NODES
from harness.record.pytest_benchmark import BenchmarkFile, Stats
from harness.record.schema import ArmResult, Case, Group, Metric, Run, Status

_PYTEST = Metric("time", "s", "lower", "noisy", "seconds a call")


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """What one arm gave, without its samples: those of 10,000 cases need not be held twice."""

    status: Status
    reason: str
    counts: Mapping[str, int]
    groups: tuple[Group, ...]
    spreads: Mapping[str, Spread]  # by metric
    calls: tuple[Calls, ...] = ()  # who calls which operators
    lines: tuple[CodeLine, ...] = ()  # that call modules


@dataclass(frozen=True, slots=True)
class Listing:
    """One side of a comparison: its arms by case and name, and what decides its numbers."""

    name: str
    metrics: Mapping[str, Metric]
    arms: Mapping[tuple[str, str], ArmSummary]
    decides_exact: Mapping[str, str]
    decides_time: Mapping[str, str]
    told: Mapping[str, str]  # differences that do not prevent it, and are to be known
    overload: str  # what shared the machine's cores, in words; "" for nothing
    cases: Mapping[str, Case]
    complete: bool
    command: str
    threads: int


def listing(source: Run | BenchmarkFile, name: str) -> Listing:
    """Return a run, or another project's benchmarks, as a side of a comparison."""
    if isinstance(source, BenchmarkFile):
        return Listing(
            name=name,
            metrics={_PYTEST.name: _PYTEST},
            arms={(item.fullname, ""): _entry_of_stats(item.stats) for item in source.benchmarks},
            decides_exact={},
            decides_time={"processor": source.machine},
            told={"Python": source.python},
            overload="",
            cases={},
            complete=True,
            command="",
            threads=0,
        )
    where = source.environment
    exact = {
        "threads": str(where.threads),
        "CPU capability": where.cpu_capability,
        "device": where.device
        if any(not record.case.device.startswith("cpu") for record in source.records)
        else "cpu",
    }
    return Listing(
        name=name,
        metrics={metric.name: metric for metric in source.metrics},
        arms={
            (case, arm.arm): _entry(arm, seconds)
            for record in source.records
            for case, seconds in ((record.case.id, times_of(record)),)
            for arm in record.arms
        },
        decides_exact=exact,
        decides_time={**exact, "device": where.device, "processor": where.processor},
        told={
            "torch": f"{where.torch} ({where.build})",
            "Python": where.python,
            "commit": where.commit or "unknown",
            **where.packages,
        },
        overload=f"load {where.load:g} on {where.cores} cores" if where.load > where.cores > 0 else "",
        cases={record.case.id: record.case for record in source.records},
        complete=source.complete,
        command=source.command,
        threads=where.threads,
    )


def _entry(arm: ArmResult, seconds: Mapping[tuple[str, str], float]) -> ArmSummary:
    spreads = {
        samples.metric: Spread.of_side(samples.arm, seconds[arm.arm, samples.metric])
        for samples in arm.timings
    }
    lines = arm.places.get(NODES, ())
    return ArmSummary(arm.status, arm.reason, arm.counts, arm.groups, spreads, arm.calls, lines)


def _entry_of_stats(stats: Stats) -> ArmSummary:
    spread = Spread.of_quartiles(stats.q1, stats.median, stats.q3, stats.rounds)
    return ArmSummary("ok", "", {}, (), {_PYTEST.name: spread})
