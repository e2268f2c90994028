"""The gate: a run's exact values against its baselines. It fails closed, on wins and missing rows too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.judge.callers import CallersChange
from harness.judge.exact import direction, exact_values, meaning_of, more_than_counts, unit_of, values_change
from harness.judge.finding import Finding, FindingState, Outcome, closed, in_order
from harness.judge.limits import Limits, matches
from harness.record.baseline import Baseline, Key, key_of
from harness.record.names import NODES
from harness.record.schema import ArmResult, Metric, Record, Run

_MOST_PLACES = 3  # lines of code in one sentence


@dataclass(slots=True)
class _Judge:
    """The state of one pass over one run."""

    run: Run
    limits: Limits
    metrics: Mapping[str, Metric]
    findings: list[Finding] = field(default_factory=list)
    equal: dict[str, int] = field(default_factory=dict)
    changes: list[CallersChange] = field(default_factory=list)

    def find(
        self, state: FindingState, *, fails: bool = True, case: str = "", arm: str = "", detail: str = ""
    ) -> None:
        self.findings.append(Finding(state=state, fails=fails, case=case, arm=arm, detail=detail))

    def find_value(
        self,
        state: FindingState,
        key: tuple[str, str],
        name: str,
        base: int | None,
        head: int | None,
        *,
        fails: bool = True,
        detail: str = "",
    ) -> None:
        self.findings.append(
            Finding(
                state=state,
                fails=fails,
                case=key[0],
                arm=key[1],
                metric=name,
                unit=unit_of(name, self.metrics),
                base=base,
                head=head,
                meaning=meaning_of(name, self.metrics),
                detail=detail,
            )
        )

    def outcome(self, door: str, subject: str, notes: tuple[str, ...]) -> Outcome:
        return Outcome(
            door=door,
            subject=subject,
            findings=in_order(self.findings),
            equal=self.equal,
            cases={record.case.id: record.case for record in self.run.records},
            notes=notes,
            command=self.run.command,
            threads=self.run.environment.threads,
            changes=tuple(self.changes),
        )


def keys_of(run: Run) -> dict[Key, tuple[Record, ...]]:
    """Divide a run's records by the key of their baseline."""
    keys: dict[Key, list[Record]] = {}
    for record in run.records:
        keys.setdefault(key_of(run.environment, record.case), []).append(record)
    return {key: tuple(records) for key, records in keys.items()}


def inspect(run: Run, limits: Limits) -> Outcome:
    """Judge what of a run needs no baseline: what failed, its budgets and its books."""
    judge = _begin(run, limits)
    for record in run.records:
        for arm in record.arms:
            if arm.status != "ok":
                failed = arm.status == "failed"
                state = FindingState.FAILED if failed else FindingState.SKIPPED
                judge.find(state, fails=failed, case=record.case.id, arm=arm.arm, detail=arm.reason)
    if run.records and not any(arm.status == "ok" for record in run.records for arm in record.arms):
        judge.find(FindingState.NOTHING, detail="no arm was measured")
    return judge.outcome("report", run.id, ("compared with nothing; --baseline names what to compare with",))


def incomplete(run: Run) -> str:
    """Return what a run lacks that is not complete, in words."""
    missing = run.missing
    if not missing:
        return "the run was interrupted: what it does not hold was not measured"
    named = ", ".join(f"{case}: {arm}" for case, arm in missing[:_MISSING])
    more = f", and {len(missing) - _MISSING:,} more" if len(missing) > _MISSING else ""
    return f"{len(missing):,} of {len(run.planned):,} planned arms are missing: {named}{more}"


_MISSING = 3  # planned arms that are named


def _begin(run: Run, limits: Limits) -> _Judge:
    judge = _Judge(run, limits, {metric.name: metric for metric in run.metrics})
    if not run.complete:
        judge.find(FindingState.INTERRUPTED, detail=incomplete(run))
    if not run.records:
        judge.find(FindingState.GONE, detail="the run holds no case, so nothing was judged")
    _check_limits_of_arms(judge, run.records)
    return judge


def gate(run: Run, baselines: Mapping[str, Baseline], limits: Limits) -> Outcome:
    """Judge a run against its baselines.

    Args:
        run: what was measured.
        baselines: all there are, by file name.
        limits: what the project allows.
    """
    judge = _begin(run, limits)
    notes = []
    keys = keys_of(run)
    for key, records in keys.items():
        baseline = baselines.get(key.name)
        if baseline is None or baseline.key != key:
            judge.find(FindingState.NO_BASELINE, detail=_no_baseline(key, baselines))
            continue
        notes += [
            f"{name} {baseline.packages.get(name, 'none')} in the baseline, {version} here"
            for name, version in run.environment.packages.items()
            if baseline.packages.get(name) != version
        ]
        _against(judge, records, baseline)
    subject = ", ".join(key.name for key in keys) or "no key"
    return closed(judge.outcome("gate", subject, tuple(dict.fromkeys(notes))))


def unmet(runs: Iterable[Run], baselines: Mapping[str, Baseline]) -> tuple[Finding, ...]:
    """Return a finding for every baseline that no run was held against: what was not measured is not fine."""
    met = {key.name for run in runs for key in keys_of(run)}
    return tuple(
        Finding(state=FindingState.GONE, fails=True, detail=f"no run has the key of the baseline {name}")
        for name in sorted(baselines)
        if name not in met
    )


def _no_baseline(key: Key, baselines: Mapping[str, Baseline]) -> str:
    make = "make one with `harness gate RUN.json --baseline DIR --update`"
    known = [baseline.key for baseline in baselines.values()]
    if not known:
        return f"there is no baseline for {key.name}, nor for any other key; {make}"
    nearest = min(known, key=lambda other: (len(key.differences(other)), other.name))
    if msgspec.structs.replace(key, threads=nearest.threads) == nearest:
        make += f", or measure with --threads {nearest.threads}"
    return (
        f"there is no baseline for {key.name}; the nearest has {', '.join(key.differences(nearest))}; {make}"
    )


def _against(judge: _Judge, records: Sequence[Record], baseline: Baseline) -> None:
    measured = {(record.case.id, arm.arm): arm for record in records for arm in record.arms}
    known_cases = {case for case, _ in baseline.values}
    for key, arm in measured.items():
        values = baseline.values.get(key)
        if arm.status == "failed":
            judge.find(FindingState.FAILED, case=key[0], arm=key[1], detail=arm.reason)
        elif arm.status == "skipped":
            lost = values is not None
            state = FindingState.GONE if lost else FindingState.SKIPPED
            judge.find(state, fails=lost, case=key[0], arm=key[1], detail=f"skipped: {arm.reason}")
        elif values is not None:
            if _values(judge, key, values, arm):
                judge.changes.append(_change(judge, key, baseline, arm))
        elif key[0] in known_cases:
            judge.find(
                FindingState.NEW, case=key[0], arm=key[1], detail="the baseline has no row of this arm"
            )
    for case in {case for (case, _), arm in measured.items() if arm.status == "ok"} - known_cases:
        judge.find(FindingState.NEW, case=case, detail="the baseline has no row of this case")
    _gone(judge, {record.case.id for record in records}, measured, baseline)


def _gone(
    judge: _Judge, cases: set[str], measured: Mapping[tuple[str, str], ArmResult], baseline: Baseline
) -> None:
    for case in {case for case, _ in baseline.values} - cases:
        judge.find(FindingState.GONE, case=case, detail="the baseline has this case, the run does not")
    for case, name in baseline.values:
        if case in cases and (case, name) not in measured:
            judge.find(
                FindingState.GONE, case=case, arm=name, detail="the baseline has this arm, the run does not"
            )


def _change(judge: _Judge, key: tuple[str, str], baseline: Baseline, arm: ArmResult) -> CallersChange:
    """Return what is known of the cause of an arm's difference."""
    return values_change(
        key,
        baseline.callers.get(key, {}),
        (arm.calls, arm.places.get(NODES, ())),
        (baseline.values[key], exact_values(arm, judge.metrics)),
        judge.metrics,
    )


def _values(judge: _Judge, key: tuple[str, str], known: Mapping[str, int], arm: ArmResult) -> bool:
    """Judge the values of an arm, and return whether one differs."""
    measured = exact_values(arm, judge.metrics)
    costs = more_than_counts(known, measured, judge.metrics)
    for name in dict.fromkeys((*known, *measured)):
        base, head = known.get(name), measured.get(name)
        metric = judge.metrics.get(name)
        if base is None:
            judge.find_value(
                FindingState.NEW, key, name, None, head, detail="the baseline has no row of this value"
            )
        elif head is None:
            judge.find_value(
                FindingState.GONE,
                key,
                name,
                base,
                None,
                detail="the baseline has this value, the run does not",
            )
        elif base == head:
            judge.equal[key[0]] = judge.equal.get(key[0], 0) + 1
        elif allowance := judge.limits.allowance(*key, metric, base, head):
            detail = f"inside the allowance {allowance.text} of {allowance.pattern}"
            judge.find_value(FindingState.ALLOWED, key, name, base, head, fails=False, detail=detail)
        else:
            state = direction(base, head, metric.better if metric else None)
            # One more node or operator that takes no byte is no cost by itself; its time is told by times.
            free = state is FindingState.WORSE and unit_of(name, judge.metrics) == "1" and head > base
            free = free and not costs
            judge.find_value(
                FindingState.CHANGED if free else state,
                key,
                name,
                base,
                head,
                fails=judge.limits.counts_fail or not free,
                detail="; ".join(
                    filter(None, ["no byte changed with it" if free else "", _places(arm, name)])
                ),
            )
    return known != measured


def _places(arm: ArmResult, name: str) -> str:
    """Return the lines of code that a value comes from, the first few of them: "at model.py:12 (2)"."""
    places = [place for place in arm.places.get(name, ()) if place.count]
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return f"at {', '.join(place.text for place in places[:_MOST_PLACES])}{more}" if places else ""


def _check_limits_of_arms(judge: _Judge, records: Sequence[Record]) -> None:
    """Check what needs no baseline: budgets and books."""
    for record in records:
        for arm in record.arms:
            key = (record.case.id, arm.arm)
            for budget in judge.limits.budgets:
                value = arm.counts.get(budget.metric)
                if value is not None and value > budget.most and matches(budget.pattern, *key):
                    detail = f"the budget of {budget.pattern} is {budget.text}"
                    judge.find_value(FindingState.OVER, key, budget.metric, None, value, detail=detail)
            _check_books(judge, key, arm)


def _check_books(judge: _Judge, key: tuple[str, str], arm: ArmResult) -> None:
    if arm.books is None:
        return
    rest, known = arm.books.unaccounted, judge.limits.unaccounted(*key)
    if rest == known:
        return
    held = "".join(
        f"; {block.bytes:,} B by {block.operator or 'no operator'} in {block.module or 'the model itself'}"
        for block in arm.blocks[:1]
    )
    accepted = f", {known:+,} B are accepted" if known else ""
    judge.find(
        FindingState.UNBALANCED,
        case=key[0],
        arm=key[1],
        detail=f"the books do not balance: {rest:+,} B unaccounted{accepted}{held}",
    )
