"""Run files with as many records as are asked for: no measurement, only what readers are given.

A program of its own, so that who starts the readers stays small: what a process that is started has held at
its highest counts what its parent held.
"""

import sys
from pathlib import Path

import msgspec

from harness.record.codec import encode
from harness.record.schema import ArmResult, Case, Environment, Metric, Record, Run
from harness.record.store import replace_file

_METRICS = (
    Metric("peak", "B", "lower", "exact", "highest allocated bytes above the start of the step"),
    Metric("saved", "B", "lower", "exact", "unique storages that the forward pass saved for backward"),
    Metric("operators", "1", "lower", "exact", "operators dispatched in a step"),
)
_ARMS = ("grad", "no_grad")
_CHANGED = 1000  # one record in so many differs in the second file


def _record(number: int, more: int) -> Record:
    counts = {"peak": 4096 + number + more, "saved": 1024 + number, "operators": 10 + number % 7}
    return Record(
        case=Case(question="grad_mode", model=f"model-{number:06}", batch_size=8),
        asks="What does recording the graph cost a forward pass?",
        reference=_ARMS[0],
        columns=("peak", "saved"),
        arms=tuple(ArmResult(arm=arm, counts=counts) for arm in _ARMS),
    )


ENVIRONMENT = "environment.json"


def write_runs(folder: Path, environment: Environment, records: int) -> tuple[Path, Path]:
    """Write two runs of the same cases, of which the second differs in one of a thousand; return where."""
    paths = []
    for name, more in (("base", 0), ("head", 64)):
        made = tuple(_record(number, more if number % _CHANGED == 0 else 0) for number in range(records))
        where = msgspec.structs.replace(environment, started=f"2026-01-0{1 + len(paths)}T00:00:00+00:00")
        run = Run(id=name, environment=where, metrics=_METRICS, records=made)
        paths.append(folder / f"{name}.json")
        replace_file(paths[-1], encode(run))
    return paths[0], paths[1]


def main() -> None:
    """Write two runs and where they are made; the arguments are a folder and the number of records."""
    from harness.measure.environment import environment

    folder, records = Path(sys.argv[1]), int(sys.argv[2])
    where = environment("cpu")
    replace_file(folder / ENVIRONMENT, msgspec.json.encode(where))
    write_runs(folder, where, records)


if __name__ == "__main__":
    main()
