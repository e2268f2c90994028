"""The command line on a model of this folder, in this process: its exit status, its words, and the run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness.commands import app


@dataclass(frozen=True, slots=True)
class Measured:
    """What `harness measure` gave.

    Attributes:
        status: the exit status.
        said: all that it printed, and every text in the run file, in one line, without the target's name.
        sentences: the texts in the run file, and the lines of the standard error, one by one.
        run: the run file; empty where none was written.
    """

    status: int
    said: str
    sentences: tuple[str, ...]
    run: dict[str, Any]

    def arm(self, name: str, question: str = "") -> dict[str, Any]:
        """Return an arm by its name, of a question where several have one of that name."""
        return next(
            arm
            for record in self.run["records"]
            if question in {"", record["case"]["question"]}
            for arm in record["arms"]
            if arm["arm"] == name
        )

    def count(self, arm: str, metric: str) -> int:
        """Return a number of an arm that works."""
        found = self.arm(arm)
        if found.get("status", "ok") != "ok":
            raise AssertionError(f"{arm} is {found['status']}: {found['reason']}")
        return int(found["counts"][metric])

    def says(self, *patterns: str) -> bool:
        """Return whether one sentence has something that matches each of the patterns."""
        return any(all(re.search(pattern, line) for pattern in patterns) for line in self.sentences)

    def unaccounted(self, arm: str = "grad") -> int:
        """Return what an arm's books miss."""
        books = self.arm(arm)["books"]
        return int(books["retained"] - books["retained_no_grad"] - books["saved"] - books["scalars"])


def measure(target: str, folder: Path, *options: str) -> Measured:
    """Run `harness measure` on a factory of this folder, `models_kind:name`, for exact numbers alone.

    The questions are grad_mode and freezing unless others are given.
    """
    file = folder / "run.json"
    if "--question" not in options:
        options = (*options, "--question", "grad_mode", "--question", "freezing")
    arguments = ["measure", f"brought.{target}", "--budget", "0", "--no-curve", "--json", str(file), *options]
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    run = json.loads(file.read_text()) if file.exists() else {}
    written = [*_sentences(run.get("records", [])), *_sentences(run.get("notes", []))]
    sentences = tuple(
        line.replace(f"brought.{target}", "it") for line in (*done.stderr.splitlines(), *written)
    )
    printed = " ".join(done.stdout.split()).replace(f"brought.{target}", "it")
    return Measured(done.exit_code, " ".join((printed, *sentences)), sentences, run)


def _sentences(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():  # no key is a sentence
            if name not in {"model", "command"}:
                yield from _sentences(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sentences(item)
