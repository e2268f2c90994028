"""What a search for a step that fits has found, as text: the answer first, then what was run."""

import statistics
import textwrap

import msgspec
from tabulate import tabulate

from harness.record.fit import BatchFit, FitCandidate, FitSearch, FitTrial
from harness.report.fit_blocks import numbers_of, paths_in_brackets
from harness.report.inert import escaped_json
from harness.report.text import many
from harness.report.units import quantity

WIDTH = 80
LEGEND = "* plan  ! over the limit  ~ gives something up  ? not decided in the time"
THROWN_OUT = "x thrown out: changes more than it says"
_MOST_ROWS = 8
_MOST_NOTES = 3
_MOST_LINES = 16  # of code, so that all that is printed are 40 lines at most


def fit_text(search: FitSearch, *, verbose: bool = False) -> str:
    """Return the answer, the table of what was run, and the lines to paste, for a terminal.

    Args:
        search: by the search.
        verbose: also every part of the memory, and the levers that were left out.
    """
    parts = [textwrap.fill(answer(search), WIDTH)]
    parts += [textwrap.fill(line, WIDTH) for line in more_sentences(search)]
    parts += ["", table(search, _MOST_ROWS if not verbose else len(search.trials))]
    if len(search.lines) > _MOST_LINES and not verbose:
        parts += ["", f"To paste: {len(search.lines)} lines, printed with -v and on the page."]
    elif search.lines:
        parts += ["", "To paste:", "", *(f"    {line}" for line in search.lines)]
    if search.notes and (verbose or not search.lines):
        notes = search.notes if verbose else [_in_two_lines(note) for note in search.notes[:_MOST_NOTES]]
        parts += ["", *(textwrap.fill(note, WIDTH) for note in notes)]
    if verbose:
        parts += ["", *(f"{one.name:<20} {quantity(one.bytes, 'B'):>10}" for one in search.weights)]
    parts += ["", textwrap.fill(closing(search), WIDTH), *legend(search)]
    return "\n".join(parts)


def answer(search: FitSearch) -> str:
    """Return whether it fits, by what, at what cost, in one sentence."""
    untouched = search.untouched
    if search.limit is None:
        return _frontier_answer(search)
    limit = search.limit_text or quantity(search.limit, "B")
    plan = search.plan
    if plan is None:
        least = search.least
        if least is None or least.peak is None:
            return f"nothing fits {limit}: nothing could be run: {untouched.reason}."
        largest = ", ".join(f"{one.name} {quantity(one.bytes, 'B')}" for one in search.weights[:2])
        return (
            f"nothing fits {limit}: the least that was run needs {quantity(least.peak, 'B')}"
            f" ({levers_in_words(least.candidate, search)}); most of it is {largest}{_allowing(search)}."
        )
    if plan.candidate == FitCandidate():
        return f"fits {limit} as it is: peak {quantity(plan.peak or 0, 'B')}; nothing has to be changed."
    lost = _sacrifices(plan.candidate, search)
    gives = f"given up: {'; '.join(lost)}" if lost else "nothing of the mathematics is given up"
    return (
        f"fits {limit}: {levers_in_words(plan.candidate, search)}: peak {quantity(plan.peak or 0, 'B')}"
        f"{_in_brackets(plan, search)}, step {cost(plan)}; {gives}."
    )


def _frontier_answer(search: FitSearch) -> str:
    least, untouched, peak = search.least, search.untouched, search.untouched.peak
    if least is None or least.peak is None:
        return f"nothing could be run: {untouched.reason}."
    as_is = untouched.reason if peak is None else f"peak {quantity(peak, 'B')} as it is"
    if least.candidate == FitCandidate():
        return f"{search.target}: {as_is}; nothing that was run needs less{_allowing(search)}."
    return (
        f"{search.target}: {as_is}; the least that was run needs {quantity(least.peak, 'B')}"
        f"{_in_brackets(least, search)}, step {cost(least)}, with {levers_in_words(least.candidate, search)}."
    )


def more_sentences(search: FitSearch) -> list[str]:
    """Return what else the answer needs: the proof, what freezing alone does, what hooks take away."""
    said = [] if search.proof is None else [f"Proof: {search.proof.sentence}."]
    if (alone := _freezing_alone(search)) is not None:
        said.append(
            f"Or freeze alone: {levers_in_words(alone.candidate, search)}:"
            f" peak {quantity(alone.peak or 0, 'B')}, step {cost(alone)}."
        )
    said += [_batch_sentence(one, search) for one in search.batches]
    if search.plan is not None and search.plan.candidate.update == "in backward":
        said.append("Gradients are gone when backward returns: they cannot be clipped by their norm.")
    if search.plan is not None and search.plan.candidate.micro_batches > 1:
        said.append("Dropout, where there is any, draws other masks for each part than for the whole.")
    if (one := search.allocator) is not None:
        said.append(
            f"The allocator adds {quantity(one.rounding, 'B')} by rounding, and a workspace of"
            f" {quantity(one.workspace, 'B')}; {quantity(one.reserved, 'B')} were reserved in all."
        )
    return said


def _batch_sentence(one: BatchFit, search: FitSearch) -> str:
    how = levers_in_words(one.candidate, search)
    if one.reason:
        return f"Largest batch, {how}: {one.reason}."
    if not one.batch_size:
        return f"Largest batch, {how}: not even one example fits."
    return f"Largest batch that fits, {how}: {one.batch_size} (peak {quantity(one.peak, 'B')})."


def table(search: FitSearch, most: int) -> str:
    """Return what was run, by peak: bytes, time against the untouched step, what was expected."""
    ran = sorted((trial for trial in search.trials if trial.peak is not None), key=lambda t: -(t.peak or 0))
    out = [trial for trial in search.trials if trial.peak is None]
    shown = ran[:most]
    rows = [
        [
            mark(trial, search),
            levers_in_words(trial.candidate, search, short=True),
            quantity(trial.peak or 0, "B"),
            _share(trial, search),
            cost(trial, short=True),
            "-" if trial.error is None else f"{trial.error:+.1%}",
        ]
        for trial in shown
    ]
    text = tabulate(
        rows,
        headers=["", "levers", "peak", "", "time", "expected"],
        colalign=("left", "left", "right", "right", "right", "right"),
        tablefmt="simple",
        disable_numparse=True,
        maxcolwidths=[None, 34, None, None, None, None],
    )
    more = [f"{len(ran) - len(shown)} more were run"] if len(ran) > len(shown) else []
    return "\n".join([text, *more, *(_out(trial, search) for trial in out)])


def mark(trial: FitTrial, search: FitSearch) -> str:
    """Return what a trial is: "*" the plan, "x" thrown out, "!" above the limit, "~" gives something up."""
    if trial == search.plan:
        return "*"
    if trial.reason and trial.peak is not None:
        return "x"
    if search.limit is not None and (trial.peak is None or trial.peak > search.limit):
        return "!"
    return "~" if _sacrifices(trial.candidate, search) else ""


def legend(search: FitSearch) -> tuple[str, ...]:
    """Return what the marks stand for, in lines; that of what was thrown out only where something was."""
    is_needed = any(mark(trial, search) == "x" for trial in search.trials)
    return (LEGEND, THROWN_OUT) if is_needed else (LEGEND,)


def closing(search: FitSearch) -> str:
    """Return how the numbers came to be."""
    errors = [abs(trial.error) for trial in search.trials if trial.error is not None]
    off = f"; expected peaks off by {statistics.median(errors):.2%} (median)" if errors else ""
    ran = f"{many(len(search.trials), 'candidate')} run{off}"
    return f"{search.setting}; {ran}; about {search.passes:.0f} steps, {search.took_s:.0f} s."


def fit_json(search: FitSearch) -> str:
    """Return everything as JSON, with the answer and the rows in words."""
    content = {
        "answer": answer(search),
        "fits": search.plan is not None,
        **msgspec.to_builtins(search),
        "plan_in_words": "" if search.plan is None else levers_in_words(search.plan.candidate, search),
    }
    return escaped_json(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def levers_in_words(candidate: FitCandidate, search: FitSearch, *, short: bool = False) -> str:
    """Return a candidate's levers; blocks are counted from 1, and named unless it is to be short."""
    blocks = len(search.blocks)
    said = []
    if candidate.dtype:
        said.append("autocast to bfloat16" if candidate.dtype == "autocast" else "all in bfloat16")
    if candidate.optimizer:
        said.append(f"train with {candidate.optimizer}")
    if candidate.biases_only:
        said.append("train biases only")
    if candidate.trained:
        said.append(f"train only {', '.join(candidate.trained)}")
    if candidate.frozen:
        names = "" if short else paths_in_brackets(search.blocks[: candidate.frozen])
        said.append(f"freeze {numbers_of(range(candidate.frozen))} of {blocks}{names}")
    if candidate.checkpointed:
        names = "" if short else paths_in_brackets([search.blocks[index] for index in candidate.checkpointed])
        said.append(f"checkpoint {numbers_of(candidate.checkpointed)} of {blocks}{names}")
    if candidate.micro_batches > 1:
        each = search.batch_size // candidate.micro_batches
        said.append(f"{candidate.micro_batches} micro-batches of {each}")
    if candidate.update:
        optimizer = (candidate.optimizer or search.setting.partition(",")[0]).partition(" ")[0]
        steps = {"in backward": "step in the backward pass"}
        said.append(steps.get(candidate.update, f"{optimizer} {candidate.update}"))
    return ", ".join(said) or "as it is"


def cost(trial: FitTrial, *, short: bool = False) -> str:
    """Return a trial's time against the untouched step: percent, with the interval where there is one.

    >>> cost(FitTrial(FitCandidate(frozen=1), ratio=1.21, low=1.18, high=1.24, verdict="worse"))
    '21 % slower (18 to 24)'
    """
    if trial.candidate == FitCandidate():
        return "as before"
    if trial.ratio is None:
        return "-" if short else "not timed"
    percent = 100 * (trial.ratio - 1)
    if short:
        decided = "" if trial.verdict in {"better", "worse", "same"} else " ?"
        return f"{percent:+.0f} %{decided}"
    word = "slower" if percent >= 0 else "faster"
    if trial.low is None or trial.high is None:
        return f"about {abs(percent):.0f} % {word} ({trial.verdict})"
    ends = sorted((100 * (trial.low - 1), 100 * (trial.high - 1)))
    if percent < 0:
        ends = sorted(-end for end in ends)
    undecided = "" if trial.verdict in {"better", "worse", "same"} else f", {trial.verdict}"
    return f"{abs(percent):.0f} % {word} ({ends[0]:.0f} to {ends[1]:.0f}{undecided})"


def _sacrifices(candidate: FitCandidate, search: FitSearch) -> list[str]:
    """Return what of the mathematics a candidate gives up."""
    said = []
    if candidate.dtype:
        said.append("precision")
    if candidate.optimizer:
        said.append(f"{search.setting.partition(',')[0]}")
    if candidate.biases_only:
        said.append("training all but biases")
    if candidate.trained:
        said.append(f"training all but {', '.join(candidate.trained)}")
    if candidate.frozen:
        said.append(f"training {numbers_of(range(candidate.frozen))} and all that runs before")
    if candidate.micro_batches > 1 and "batchnorm" in search.allowed:
        said.append("batch statistics and running averages over the whole batch")
    return said


def _allowing(search: FitSearch) -> str:
    refused = any("allow batchnorm" in note for note in search.notes)
    words = ("freeze", "dtype", "optimizer", *["batchnorm"] * refused)
    others = [word for word in words if word not in search.allowed]
    return f"; --allow {','.join(others)} would try more" if others else ""


def _freezing_alone(search: FitSearch) -> FitTrial | None:
    """Return the trial that freezes fewest blocks with no other lever and fits."""
    fitting = [
        trial
        for trial in search.trials
        if trial != search.plan
        and trial.candidate.frozen
        and trial.candidate == FitCandidate(frozen=trial.candidate.frozen)
        and trial.peak is not None
        and trial.peak <= (search.limit or 0)
    ]
    return min(fitting, key=lambda trial: trial.candidate.frozen, default=None)


def _share(trial: FitTrial, search: FitSearch) -> str:
    if not trial.peak or not search.untouched.peak:
        return ""
    return f"{100 * trial.peak / search.untouched.peak:.0f} %"


def _in_brackets(trial: FitTrial, search: FitSearch) -> str:
    share = _share(trial, search)
    return f" ({share})" if share else ""


def _out(trial: FitTrial, search: FitSearch) -> str:
    said = f"out: {levers_in_words(trial.candidate, search, short=True)}: {trial.reason}"
    return textwrap.fill(_in_two_lines(said), WIDTH)


def _in_two_lines(text: str) -> str:
    return textwrap.shorten(text, 2 * WIDTH - 10)
