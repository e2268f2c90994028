"""How to measure one case again: a command line, quoted, made of what the run says of itself."""

import shlex
from collections.abc import Iterator

from harness.judge.finding import Outcome
from harness.record.schema import Case


def commands(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield each case that has a finding and can be measured, and how, in the order of the findings.

    A duel has one command for all of its cases, which is shown with it.
    """
    if outcome.door == "duel":
        return
    for name in dict.fromkeys(finding.case for finding in outcome.findings if finding.case):
        if name in outcome.cases:
            yield name, command(outcome, outcome.cases[name])
        elif not outcome.cases:  # another project's benchmarks, whose names are pytest's own
            yield name, f"pytest {_quoted(name)}"


def command(outcome: Outcome, case: Case) -> str:
    """Return the command line that measures a case again, exact metrics alone.

    What names are given is quoted for a shell, and newlines in them become spaces.
    """
    if outcome.command.startswith("pytest "):
        return f"pytest {_folder(outcome.command)} {_options(case, outcome.threads)}"
    return f"harness measure {_measured(case, outcome.threads)}"


def _folder(text: str) -> str:
    """Return the first argument of a pytest command that is no option; bench/ where there is none."""
    try:
        words = shlex.split(text)[1:]
    except ValueError:
        return "bench"
    return _quoted(words[0]) if words and not words[0].startswith("-") else "bench"


def _options(case: Case, threads: int) -> str:
    chosen = [
        f"--harness-models {_quoted(case.model)}",
        f"--harness-device {_quoted(case.device)}",
        f"--harness-dtype {_quoted(case.dtype)}",
        *([f"--harness-memory-format {_quoted(case.memory_format)}"] if case.memory_format else []),
        f"--harness-batch-size {case.batch_size}",
        f"--harness-threads {threads}",
        "--harness-budget 0",
        f"-k {_quoted(case.question)}",
    ]
    return " ".join(chosen)


def _measured(case: Case, threads: int) -> str:
    curve = case.question == "freezing_curve"  # what the option --curve of another question measures
    chosen = [
        _quoted(case.model),
        f"--question {_quoted('freezing' if curve else case.question)}",
        f"--device {_quoted(case.device)}",
        f"--dtype {_quoted(case.dtype)}",
        *([f"--memory-format {_quoted(case.memory_format)}"] if case.memory_format else []),
        f"--batch-size {case.batch_size}",
        f"--threads {threads}",
        "--train" if case.mode == "train" else "--eval",
        "--curve" if curve else "--no-curve",
        "--budget 0",
    ]
    return " ".join(chosen)


def _quoted(text: str) -> str:
    return shlex.quote(_one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())
