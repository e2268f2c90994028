"""The baselines that runs make: what an update of the gate writes."""

from collections.abc import Iterator, Mapping, Sequence

from harness.judge.exact import exact_values
from harness.judge.gate import keys_of
from harness.record.baseline import Baseline, Key
from harness.record.callers import CallerKey, callers_of
from harness.record.names import NODES
from harness.record.schema import Run

_Arm = tuple[str, str]  # the case and the arm
_Values = dict[_Arm, dict[str, int]]
_Callers = dict[_Arm, dict[CallerKey, dict[str, int]]]


def measured_values(run: Run) -> dict[Key, _Values]:
    """Return a run's exact values as baselines hold them; only of arms that were measured."""
    metrics = {metric.name: metric for metric in run.metrics}
    return {
        key: {
            (record.case.id, arm.arm): exact_values(arm, metrics)
            for record in records
            for arm in record.arms
            if arm.status == "ok"
        }
        for key, records in keys_of(run).items()
    }


def replacements(
    runs: Sequence[Run], baselines: Mapping[str, Baseline], *, prune: bool = False
) -> Iterator[Baseline]:
    """Yield the baselines that runs make of those there are.

    Rows of what was measured are replaced. Rows of what no run holds are kept, or dropped with `prune`; rows
    of an arm that failed are always kept, so that the next gate fails as well.
    """
    measured: dict[Key, _Values] = {}
    callers: dict[Key, _Callers] = {}
    packages: dict[Key, dict[str, str]] = {}
    failed: set[tuple[str, str]] = set()
    for run in runs:
        failed |= {
            (record.case.id, arm.arm)
            for record in run.records
            for arm in record.arms
            if arm.status == "failed"
        }
        for key, values in measured_values(run).items():
            measured.setdefault(key, {}).update(values)
            callers.setdefault(key, {}).update(_measured_callers(run, key))
            packages.setdefault(key, {}).update(run.environment.packages)
    for key, values in measured.items():
        before = baselines.get(key.name)
        old = before if before is not None and before.key == key else Baseline(key=key)
        lasting = {name for name in old.values if not prune or name in failed}
        yield Baseline(
            key=key,
            values={name: old.values[name] for name in old.values if name in lasting} | values,
            packages=packages[key],
            callers={
                name: each for name, each in old.callers.items() if name in lasting and name not in values
            }
            | callers[key],
        )


def _measured_callers(run: Run, key: Key) -> _Callers:
    """Return what the counts of a run's arms are made of, where that is known."""
    return {
        (record.case.id, arm.arm): callers
        for record in keys_of(run)[key]
        for arm in record.arms
        if arm.status == "ok" and (callers := callers_of(arm.calls, arm.places.get(NODES, ())))
    }
