"""Runs of one environment as one run: what several runners measured is judged together."""

from collections.abc import Iterable

import msgspec

from harness.errors import HarnessError
from harness.record.schema import Metric, Record, Run


class MergeError(HarnessError, ValueError):
    """Runs that contradict one another, in one sentence."""


def merged(runs: Iterable[Run], *, by_machine: bool = False) -> tuple[Run, ...]:
    """Make one run of those that have the same torch, build, threads, CPU capability and device.

    A lone run stays as it is. One that was interrupted makes the whole so.

    Args:
        runs: in any order.
        by_machine: keep machines apart too, as has to be where times are shown and not only exact values.

    Raises:
        MergeError: two of them hold the same case, or declare a metric differently.
    """
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        where = run.environment
        # processors differ between runners of one kind; exact values hold for what is named here
        devices = frozenset(
            record.case.device for record in run.records if not record.case.device.startswith("cpu")
        )
        key = (
            where.torch,
            where.build,
            where.threads,
            where.cpu_capability,
            where.device if devices else "cpu",
            (where.host, where.processor, where.device) if by_machine else (),
        )
        groups.setdefault(key, []).append(run)
    return tuple(_one(group) for group in groups.values())


def _one(runs: list[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    records: dict[str, tuple[str, Record]] = {}
    metrics: dict[str, Metric] = {}
    for run in runs:
        for metric in run.metrics:
            if metrics.setdefault(metric.name, metric) != metric:
                raise MergeError(
                    f"run {run.id} declares the metric {metric.name!r} otherwise than another run"
                )
        for record in run.records:
            name = record.case.id
            if name in records:
                raise MergeError(
                    f"case {name!r} is in run {records[name][0]} and in run {run.id}; give one of them"
                )
            records[name] = (run.id, record)
    commands = dict.fromkeys(run.command for run in runs if run.command)
    whole = msgspec.structs.replace(
        runs[0],
        id=" + ".join(run.id for run in runs),
        metrics=tuple(metrics.values()),
        records=tuple(record for _, record in records.values()),
        fits=tuple(fit for run in runs for fit in run.fits),
        planned=tuple(dict.fromkeys(each for run in runs for each in run.planned)),
        command=" ; ".join(commands),
    )
    # What one of several processes did not measure, another may have.
    unplanned = all(run.complete or run.planned for run in runs)
    return msgspec.structs.replace(whole, complete=unplanned and not whole.missing)
