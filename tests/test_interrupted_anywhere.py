"""Interrupted at random moments, as Ctrl-C does: what is finished is printed and kept whole, and said so."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from harness.record.schema import Record, Run
from harness.record.store import load_run

pytestmark = [pytest.mark.slow, pytest.mark.process]

ANYWHERE = {"mlp-relu": 14, "hf:bert-tiny": 6}  # how often each is interrupted
FROM_S = 1.0  # the interpreter has begun to run the command
TIME = {"mlp-relu": "4", "hf:bert-tiny": "0"}
PATIENCE_S = 60.0  # for the end, once it was asked for


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    errors: str
    run: Run | None
    was_asked: bool  # an interrupt was sent before it ended
    files: tuple[str, ...]  # beside what was asked for


def measured(target: str, folder: Path, after: float | None = None) -> Ended:
    """Run `harness measure`, and interrupt it after so many seconds; None lets it end."""
    folder.mkdir(parents=True)
    file, out, errors = folder / "run.json", folder / "out", folder / "errors"
    words = [sys.executable, "-m", "harness", "measure", target, "--time", TIME[target], "--json", str(file)]
    was_asked = False
    # A shell starts what runs in its background with interrupts ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with out.open("wb") as output, errors.open("wb") as told:
        process = subprocess.Popen(  # noqa: S603 (this interpreter)
            words,
            stdout=output,
            stderr=told,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, before)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            was_asked = True
        status = process.wait(None if after is None else PATIENCE_S)
    known = {file.name, out.name, errors.name}
    others = tuple(sorted(path.name for path in folder.iterdir() if path.name not in known))
    run = load_run(file) if file.exists() else None
    return Ended(status, out.read_text(), errors.read_text(), run, was_asked, others)


def finished(run: Run | None) -> list[Record]:
    """Return the records whose arms are all there."""
    if run is None:
        return []
    begun = {case for case, _ in run.missing}
    return [record for record in run.records if record.case.id not in begun]


@pytest.mark.parametrize(("target", "times"), ANYWHERE.items())
def test_an_interrupt_leaves_a_report_of_all_that_is_finished(
    target: str, times: int, tmp_path: Path
) -> None:
    complete = measured(target, tmp_path / "whole")
    assert complete.status == 0, complete.errors
    assert complete.run is not None
    chance = Random(target)
    statuses = []
    for number in range(times):
        moment = FROM_S + chance.random() * (complete.run.wall_s - FROM_S)
        ended = measured(target, tmp_path / str(number), moment)
        statuses.append(ended.status)
        check(ended, complete.run, f"interrupted after {moment:.2f} s: {ended}")

    assert statuses.count(130) >= times // 2, statuses


def check(ended: Ended, complete: Run, said: str) -> None:
    """Check how a command ended that was interrupted, or was quicker, by what it finds when nobody does."""
    assert "Traceback" not in ended.errors, said
    if ended.status != 130:  # it had ended, or Python was putting its modules away
        assert ended.status == (-signal.SIGINT if ended.was_asked else 0), said
        assert ended.run is not None, said
        assert ended.run.complete, said
        assert "next:" in ended.out, said
        return
    assert not ended.files, said
    done = finished(ended.run)
    every = {record.case.id: record for record in complete.records}
    printed = {record.asks for record in every.values() if record.asks in ended.out}
    assert {record.asks for record in done} == printed, said
    for record in done:
        numbers = [(arm.arm, arm.counts) for arm in every[record.case.id].arms]
        assert [(arm.arm, arm.counts) for arm in record.arms] == numbers, said
    told = " ".join(ended.errors.split())
    if "missing: everything" in told or len(done) == len(every):
        assert not done or "interrupted" in told, said
        return
    assert "interrupted; missing: " in told or not done, said
    cases = {record.case.id for record in done}
    for case, record in every.items():
        words = f"bytes of {record.case.question}, {record.case.variant or record.case.mode}"
        assert not done or (words in told) == (case not in cases), said
