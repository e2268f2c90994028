"""Tables of many duels: false alarms of equal sides, and what was found of planted work."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench.duels.record import DuelTrial, DuelTrials, load_trials
from harness.judge.rates import rate_bound
from harness.report.document import Document, one_table
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table
from harness.report.units import quantity

_EQUAL = ("case", "a call", "duels", "alarms", "restart sd", "results sd")
_PLANTED = ("case", "a call", "planted", "read", "duels", "found", "a duel")
_LEGEND = """*restart sd*: standard deviation of the ratios of a duel's restarts, the median of the duels;
*results sd*: of the duels' ratios; *read*: the median of the duels' ratios, less 1; *a duel*: seconds on the
wall, the longest."""


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.duels --json` wrote.

    Raises:
        HarnessError: the file cannot be read, or holds no trials of duels.
    """
    trials = load_trials(path)
    name = f"accuracy{path.stem.removeprefix('duels')}"
    return one_table("the trials of duels", name, lambda: trials_markdown(trials))


def trials_markdown(trials: DuelTrials) -> str:
    """Return both tables and where they come from."""
    equal = [trial for trial in trials.trials if not trial.planted]
    planted = [trial for trial in trials.trials if trial.planted]
    where = "  \n".join(
        [*map(markdown, environment_lines(trials.environment)), f"Measured by {code(trials.command)}."]
    )
    parts = ["# What a duel finds, and what it does not invent", where]
    if equal:
        alarms = sum(trial.is_alarm for trial in equal)
        took = [trial.duel_s for trial in equal]
        upper = rate_bound(alarms, len(equal))
        parts += [
            "## A commit against itself",
            f"False alarms: {alarms} of {len(equal)} case-duels, at most {upper:.2%} (upper 95 % bound).",
            f"{_duels(equal)} took {min(took):.0f} to {max(took):.0f} s each.",
            markdown_table(_EQUAL, list(_equal(equal))),
        ]
    if planted:
        hits = sum(trial.is_found for trial in planted)
        parts += [
            "## Extra work planted in one side",
            f"Found: in {hits} of {len(planted)} duels of one case each.",
            markdown_table(_PLANTED, list(_planted(planted))),
        ]
    parts.append(_LEGEND)
    return "\n\n".join(parts) + "\n"


def _duels(trials: list[DuelTrial]) -> str:
    return " and ".join(f"Duels of {cases} cases" for cases in sorted({trial.cases for trial in trials}))


def _by_case(trials: list[DuelTrial]) -> Iterator[tuple[str, list[DuelTrial]]]:
    for case in dict.fromkeys(trial.case for trial in trials):
        yield case, [trial for trial in trials if trial.case == case]


def _equal(trials: list[DuelTrial]) -> Iterator[tuple[str, ...]]:
    for case, those in _by_case(trials):
        results = [statistics.median(trial.values) for trial in those]
        yield (
            case,
            _call(those),
            str(len(those)),
            str(sum(trial.is_alarm for trial in those)),
            f"{statistics.median(statistics.stdev(trial.values) for trial in those):.2%}",
            f"{statistics.stdev(results):.2%}" if len(results) > 1 else "",
        )


def _planted(trials: list[DuelTrial]) -> Iterator[tuple[str, ...]]:
    for case, those in _by_case(trials):
        read = math.expm1(statistics.median(statistics.median(trial.values) for trial in those))
        yield (
            case,
            _call(those),
            f"{those[0].planted:+.1%}",
            f"{read:+.2%}",
            str(len(those)),
            str(sum(trial.is_found for trial in those)),
            f"{max(trial.duel_s for trial in those):.0f} s",
        )


def _call(trials: list[DuelTrial]) -> str:
    return quantity(statistics.median(trial.call_s for trial in trials), "s")
