"""What a run holds and what it does not, in words: a picture that cannot be drawn is said, not left out."""

from harness.judge.contrasts import contrasts
from harness.record.schema import Run
from harness.report.holders import has_holders
from harness.report.inert import visible
from harness.report.study import is_curve
from harness.report.text import many

_OF_LINES = "which block holds it"
_NAMED = 4  # of what is missing


def presence(run: Run) -> tuple[str, ...]:
    """Return what is in a run, what is not and why, and what was planned and is missing."""
    arms = [arm for record in run.records for arm in record.arms]
    lines = [arm.allocated for arm in arms if arm.allocated is not None]
    timed = any(contrasts(run).values())
    things = (
        ("exact bytes and counts", any(arm.counts for arm in arms), "nothing was counted"),
        ("times", timed, "nothing was timed: bytes and counts only"),
        ("the memory of a step over its time", bool(lines), "a run of harness measure keeps it"),
        (
            _OF_LINES,
            any(map(has_holders, lines)) or not lines,
            "a new measurement keeps it, where the passes of a step are alike",
        ),
        (
            "what the peak is made of",
            any(arm.attribution for arm in arms),
            "a run of harness measure keeps it",
        ),
        ("the freezing curve", any(map(is_curve, run.records)), "it was not measured"),
    )
    here = [name for name, is_here, _ in things if is_here and (lines or name != _OF_LINES)]
    missing = [f"{name} ({why})" for name, is_here, why in things if not is_here]
    told = [f"Here: {', '.join(here)}, of {many(len(run.records), 'case')}." if here else "Nothing is here."]
    if missing:
        told.append(f"Not here: {'; '.join(missing)}.")
    if run.missing:
        named = ", ".join(visible(f"{arm} of {case}") for case, arm in run.missing[:_NAMED])
        more = f", and {len(run.missing) - _NAMED:,} more" if len(run.missing) > _NAMED else ""
        told.append(f"Planned, and missing: {named}{more}.")
    return tuple(told)
