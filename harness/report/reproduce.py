"""How to measure one case again: a command line, quoted, made of what the run says of itself."""

import shlex
from collections.abc import Iterator

from harness.judge.finding import Outcome
from harness.record.schema import Case
from harness.setting import layout_words

_CURVE = "freezing_curve"  # the option --curve of the question below measures it
_CURVE_OF = "freezing"


def commands(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield each case that has a finding and can be measured, and how, in the order of the findings.

    A duel has one command for all of its cases, which is shown with it.
    """
    if outcome.door == "duel":
        return
    for name in dict.fromkeys(finding.case for finding in outcome.findings if finding.case):
        if name in outcome.cases:
            yield (
                name,
                case_command(
                    outcome.cases[name], command=outcome.command, threads=outcome.threads, exact=True
                ),
            )
        elif not outcome.cases:  # another project's benchmarks, whose names are pytest's own
            yield name, f"pytest {_quoted(name)}"


def case_command(case: Case, *, command: str, threads: int, exact: bool) -> str:
    """Return the command line that measures a case again.

    What names are given is quoted for a shell, and newlines in them become spaces.

    Args:
        case: which.
        command: what measured the run that holds it.
        threads: of that run.
        exact: exact metrics alone, which takes no time.
    """
    if command.startswith("pytest "):
        return f"pytest {_folder(command)} {_of_pytest(case, threads, exact=exact)}"
    return f"harness measure {_of_measure(case, threads, exact=exact)}"


def _folder(text: str) -> str:
    """Return the first argument of a pytest command that is not an option; else bench."""
    try:
        words = shlex.split(text)[1:]
    except ValueError:
        return "bench"
    return _quoted(words[0]) if words and not words[0].startswith("-") else "bench"


def _of_pytest(case: Case, threads: int, *, exact: bool) -> str:
    options = [
        *([] if exact else ["--benchmark-only"]),
        f"--harness-models {_quoted(case.model)}",
        f"--harness-device {_quoted(case.device)}",
        f"--harness-dtype {_quoted(case.dtype)}",
        *layout_words(case, "--harness-"),
        f"--harness-batch-size {case.batch_size}",
        f"--harness-threads {threads}",
        *(["--harness-budget 0"] if exact else []),
        f"-k {_quoted(case.question)}",
    ]
    return " ".join(options)


def _of_measure(case: Case, threads: int, *, exact: bool) -> str:
    is_curve = case.question == _CURVE
    options = [
        _quoted(case.model),
        f"--question {_quoted(_CURVE_OF if is_curve else case.question)}",
        f"--device {_quoted(case.device)}",
        f"--dtype {_quoted(case.dtype)}",
        *layout_words(case),
        f"--batch-size {case.batch_size}",
        f"--threads {threads}",
        "--train" if case.mode == "train" else "--eval",
        "--curve" if is_curve else "--no-curve",
        *(["--budget 0"] if exact else []),
    ]
    return " ".join(options)


def _quoted(text: str) -> str:
    return shlex.quote(" ".join(text.split()))
