"""The run with which a session begins; what it measures is added as it is finished."""

from collections.abc import Sequence

from harness.record.schema import Environment, Metric, Run


def begun_run(
    where: Environment,
    device: str,
    metrics: Sequence[Metric],
    *,
    floor: float,
    command: str,
    suffix: str = "",
) -> Run:
    """Return a run that holds no record yet; its id says when it began, under which torch, and where.

    Args:
        where: this machine, as it is.
        device: as it was asked for, such as "cuda:1".
        metrics: of all probes.
        floor: the relative difference that is too small to matter.
        command: what makes the run again.
        suffix: of the id, for runs that are not of one process.
    """
    stamp = where.started.replace(":", "").replace("+0000", "Z")
    return Run(
        id=f"{stamp}-torch{where.torch}-{device.replace(':', '')}{suffix}",
        environment=where,
        metrics=tuple(metrics),
        command=command,
        floor=floor,
        complete=False,
    )
