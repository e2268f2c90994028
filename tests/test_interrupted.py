"""What is left of a measurement that was interrupted: all that was finished, whole, and what is missing."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fakes import fake_entry
from torch import nn
from typer.testing import CliRunner

from harness.commands import app
from harness.record.schema import Record, Run
from harness.record.store import load_run
from harness.report.watch import TerminalWatch
from harness.workload.models import MODELS

pytestmark = pytest.mark.process

POINTS = 20
ASKS = {
    "grad_mode": "What does recording the graph cost a forward pass?",
    "freezing": "What does freezing part of a model save in a training step?",
    "decay_groups": "What do parameter groups with their own weight decay cost an optimizer step?",
}


def _raised() -> None:
    """Interrupt as Ctrl-C does."""
    raise KeyboardInterrupt


def _swallowed() -> None:
    """Interrupt the process, and swallow what comes of it."""
    with suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


class _Countdown:
    """Counts calls of a model, and interrupts one of them."""

    def __init__(self, last: int, interrupt: Callable[[], None] = _raised) -> None:
        self.calls = 0
        self.last = last
        self.interrupt = interrupt

    def look(self, _module: nn.Module) -> None:
        self.calls += 1
        if self.calls == self.last:
            self.interrupt()


def _measured(
    patch: pytest.MonkeyPatch, file: Path, look: Callable[[nn.Module], None]
) -> tuple[int, str, str, Run | None]:
    """Return exit status, standard output, standard error, and the stored run."""
    patch.setitem(MODELS, "fake", fake_entry("fake", look))
    done = CliRunner().invoke(app, ["measure", "fake", "--time", "0", "--no-curve", "--json", str(file)])
    return done.exit_code, done.stdout, done.stderr, load_run(file) if file.exists() else None


def test_at_any_moment_what_is_finished_is_there_and_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = _Countdown(0)
    status, text, errors, complete = _measured(monkeypatch, tmp_path / "whole.json", whole.look)
    assert status == 0, errors
    assert complete is not None
    assert all(asked in text for asked in ASKS.values())
    arms = {record.case.question: record.arms for record in complete.records}

    finished_counts = set()
    for point in range(POINTS):
        last = 1 + point * (whole.calls - 1) // (POINTS - 1)
        file = tmp_path / f"{point}.json"
        status, text, errors, run = _measured(monkeypatch, file, _Countdown(last).look)

        assert status == 130
        records = {} if run is None else {record.case.question: record.arms for record in run.records}
        assert run is None or not run.complete
        for question, finished in records.items():
            assert [(arm.arm, arm.counts) for arm in finished] == [
                (arm.arm, arm.counts) for arm in arms[question][: len(finished)]
            ]
        printed = {question for question, asks in ASKS.items() if asks in text}
        assert printed == {name for name, finished in records.items() if len(finished) == len(arms[name])}
        (told,) = [line for line in errors.splitlines() if "interrupted; missing: " in line]
        if printed or records:
            assert all((f"bytes of {name}," in told) == (name not in printed) for name in ASKS)
        finished_counts.add(len(printed))

    assert finished_counts >= {0, 1, 2}


def test_an_interrupt_that_the_model_swallows_is_heeded_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    swallowing = _Countdown(6, _swallowed)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    status, _, errors, run = _measured(monkeypatch, tmp_path / "run.json", swallowing.look)
    signal.signal(signal.SIGINT, before)

    assert status == 130
    assert "interrupted; missing: " in errors
    assert run is not None
    assert not run.complete


def test_what_was_kept_and_not_printed_yet_is_printed_when_an_interrupt_comes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    finished = TerminalWatch.finished
    calls = []

    def interrupted(watch: TerminalWatch, record: Record) -> None:
        calls.append(record.case.question)
        if len(calls) == 1:
            raise KeyboardInterrupt
        finished(watch, record)

    monkeypatch.setattr(TerminalWatch, "finished", interrupted)
    status, text, errors, run = _measured(monkeypatch, tmp_path / "run.json", _Countdown(0).look)

    assert status == 130
    assert run is not None
    assert [record.case.question for record in run.records] == ["grad_mode"]
    assert ASKS["grad_mode"] in text
    assert "bytes of grad_mode" not in errors
