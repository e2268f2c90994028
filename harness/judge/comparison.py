"""Two sets of results side by side: what is equal, changed, new, gone, failed or incomparable."""

from collections.abc import Iterator, Mapping

from harness.judge.callers import CallersChange
from harness.judge.exact import direction, exact_values, meaning_of, unit_of, values_change
from harness.judge.finding import Finding, FindingState, Outcome, closed, in_order
from harness.judge.listing import ArmSummary, Listing
from harness.judge.unpaired import judge_unpaired
from harness.judge.verdict import Verdict
from harness.record.callers import callers_of

NOT_PAIRED = (
    "time is held against stored time, which is not paired: no difference inside the noise of such a"
    " comparison is called worse or better; measure base and head in pairs to see smaller ones"
)


def compare_runs(base: Listing, head: Listing, *, pairs_follow: bool = False) -> Outcome:
    """Compare two sides: exact values as integers, time as a stored baseline allows.

    Args:
        base: one side.
        head: what is held against it.
        pairs_follow: times are judged elsewhere, in pairs; else an outcome fails where nothing was compared.
    """
    exact_apart = _said(_apart(base.decides_exact, head.decides_exact))
    time_apart = "; ".join(
        filter(None, (_said(_apart(base.decides_time, head.decides_time)), _shared(base, head)))
    )
    findings: list[Finding] = []
    equal: dict[str, int] = {}
    changes: list[CallersChange] = []
    timed = False
    findings.extend(
        Finding(
            state=FindingState.INTERRUPTED,
            fails=True,
            detail=f"{side.name} was interrupted: what it does not hold was not measured",
        )
        for side in (base, head)
        if not side.complete
    )
    shared = [key for key in head.arms if key in base.arms]
    for key in shared:
        case, _ = key
        before, after = base.arms[key], head.arms[key]
        if before.status != "ok" or after.status != "ok":
            findings.append(_unmeasured(key, before, after))
            continue
        if exact_apart or before.counts != after.counts or before.groups != after.groups:
            same = _exact(key, base, head, exact_apart, findings)
            if not exact_apart:
                changes.append(_change(key, base, head))
        else:
            same = len(exact_values(after, head.metrics))
        equal[case] = equal.get(case, 0) + same
        times = list(_times(key, base, head, time_apart))
        timed = timed or bool(times)
        findings.extend(times)
    findings.extend(_lonely(base, head, FindingState.GONE))
    findings.extend(_lonely(head, base, FindingState.NEW))
    if not shared:
        findings.append(
            Finding(
                state=FindingState.INCOMPARABLE,
                fails=True,
                detail=f"{base.name} and {head.name} have no case in common, so nothing was compared",
            )
        )
    notes = [
        f"{name}: {old} in the base, {new} in the head" for name, old, new in _apart(base.told, head.told)
    ]
    if timed:
        notes += [f"times are incomparable: {time_apart}"] if time_apart else [NOT_PAIRED]
    outcome = Outcome(
        door="compare",
        subject=f"{head.name} against {base.name}",
        findings=in_order(findings),
        equal=equal,
        changes=tuple(changes),
        cases={**base.cases, **head.cases},
        notes=tuple(notes),
        command=head.command,
        threads=head.threads,
    )
    return outcome if pairs_follow else closed(outcome)


def _apart(base: Mapping[str, str], head: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (name, base.get(name, "none"), head.get(name, "none"))
        for name in dict.fromkeys((*base, *head))
        if base.get(name) != head.get(name)
    )


def _said(apart: tuple[tuple[str, str, str], ...]) -> str:
    return "; ".join(f"{name} {old} in the base, {new} in the head" for name, old, new in apart)


def _shared(base: Listing, head: Listing) -> str:
    """Say which side shared its cores: a session that was given half of one says nothing of code."""
    sides = (("base", base.overload), ("head", head.overload))
    return "; ".join(f"{overload} when the {side} began" for side, overload in sides if overload)


def _unmeasured(key: tuple[str, str], before: ArmSummary, after: ArmSummary) -> Finding:
    case, arm = key
    if after.status == "failed":
        also = ", as in the base" if before.status == "failed" else ""
        return Finding(state=FindingState.FAILED, fails=True, case=case, arm=arm, detail=after.reason + also)
    if after.status == "skipped":
        lost = before.status == "ok"
        state = FindingState.GONE if lost else FindingState.SKIPPED
        return Finding(state=state, fails=lost, case=case, arm=arm, detail=f"skipped: {after.reason}")
    detail = f"the base {before.status}: {before.reason}"
    return Finding(state=FindingState.NEW, fails=False, case=case, arm=arm, detail=detail)


def _exact(
    key: tuple[str, str],
    base: Listing,
    head: Listing,
    apart: str,
    findings: list[Finding],
) -> int:
    """Compare the exact values of one arm, and return how many are equal."""
    before = exact_values(base.arms[key], base.metrics)
    after = exact_values(head.arms[key], head.metrics)
    same = 0
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        metrics = head.metrics if name in after else base.metrics
        fails, detail = True, ""
        if old is None or new is None:
            state = FindingState.NEW if old is None else FindingState.GONE
            fails = new is None
        elif _redefined(name, base, head):
            state, detail = FindingState.INCOMPARABLE, "another unit, or another side is better"
        elif old == new:
            same += 1
            continue
        elif apart:
            state, detail = FindingState.INCOMPARABLE, apart
        else:
            state = direction(old, new, metrics[name].better if name in metrics else None)
            fails = state is not FindingState.BETTER
        findings.append(
            Finding(
                state=state,
                fails=fails,
                case=key[0],
                arm=key[1],
                metric=name,
                unit=unit_of(name, metrics),
                base=old,
                head=new,
                meaning=meaning_of(name, metrics),
                detail=detail,
            )
        )
    return same


def _change(key: tuple[str, str], base: Listing, head: Listing) -> CallersChange:
    """Return what is known of the cause of an arm's difference."""
    before, after = base.arms[key], head.arms[key]
    return values_change(
        key,
        callers_of(before.calls, before.lines),
        (after.calls if before.calls else (), after.lines),  # an old run holds none
        (exact_values(before, base.metrics), exact_values(after, head.metrics)),
        head.metrics,
    )


def _redefined(name: str, base: Listing, head: Listing) -> bool:
    old, new = base.metrics.get(name), head.metrics.get(name)
    if old is None or new is None:
        return old is not new
    return (old.unit, old.better, old.kind) != (new.unit, new.better, new.kind)


def _times(key: tuple[str, str], base: Listing, head: Listing, apart: str) -> Iterator[Finding]:
    before, after = base.arms[key].spreads, head.arms[key].spreads
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        metric = (head if new else base).metrics[name]
        fails = False
        if old is None or new is None:
            state, detail = (FindingState.NEW if old is None else FindingState.GONE), "timed on one side only"
        elif apart or _redefined(name, base, head):
            state, detail = FindingState.INCOMPARABLE, apart or "another unit, or another side is better"
        else:
            judged = judge_unpaired(old, new, metric.better)
            state, detail = _STATES[judged.verdict], f"not paired; {judged.reason}"
            fails = state is FindingState.WORSE
        yield Finding(
            state=state,
            fails=fails,
            case=key[0],
            arm=key[1],
            metric=name,
            unit=metric.unit,
            base=old.median if old else None,
            head=new.median if new else None,
            meaning=metric.meaning,
            detail=detail,
        )


_STATES = {
    Verdict.WORSE: FindingState.WORSE,
    Verdict.BETTER: FindingState.BETTER,
    Verdict.UNDECIDED: FindingState.UNDECIDED,
}


def _lonely(these: Listing, those: Listing, state: FindingState) -> Iterator[Finding]:
    """Yield what only one side holds: a whole case in one row, else an arm."""
    other_cases = {case for case, _ in those.arms}
    told = set()
    for (case, arm), entry in these.arms.items():
        if (case, arm) in those.arms or case in told:
            continue
        if entry.status != "ok" and state is FindingState.NEW:
            failed = entry.status == "failed"
            kind = FindingState.FAILED if failed else FindingState.SKIPPED
            yield Finding(state=kind, fails=failed, case=case, arm=arm, detail=entry.reason)
            continue
        whole = case not in other_cases
        if whole:
            told.add(case)
        detail = f"only {these.name} holds this {'case' if whole else 'arm'}"
        yield Finding(
            state=state, fails=state is FindingState.GONE, case=case, arm="" if whole else arm, detail=detail
        )
