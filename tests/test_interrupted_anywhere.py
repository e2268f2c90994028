"""Interrupted at random moments, as Ctrl-C does: what is finished is printed and kept whole, and said so."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
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


@cache
def whole(target: str, folder: Path) -> Ended:
    return measured(target, folder)


def finished(run: Run | None) -> list[Record]:
    """Return the records whose arms are all there."""
    if run is None:
        return []
    begun = {case for case, _ in run.missing}
    return [record for record in run.records if record.case.id not in begun]


@pytest.mark.parametrize(
    ("target", "number"), [(name, number) for name, most in ANYWHERE.items() for number in range(most)]
)
def test_an_interrupt_leaves_a_report_of_all_that_is_finished(
    target: str, number: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    complete = whole(target, tmp_path_factory.getbasetemp() / f"whole-{target.replace(':', '-')}")
    assert complete.status == 0, complete.errors
    assert complete.run is not None
    asked = {record.case.id: record.asks for record in complete.run.records}

    moment = FROM_S + Random(f"{target} {number}").random() * (complete.run.wall_s - FROM_S)
    ended = measured(target, tmp_path / "run", moment)

    if not ended.was_asked:  # it was quicker this time
        assert ended.status == 0
        assert ended.run is not None
        assert ended.run.complete
        return
    assert "Traceback" not in ended.errors
    if ended.status == -signal.SIGINT:  # Python was putting its modules away: all was said and kept before
        assert "next:" in ended.out
        assert ended.run is not None
        assert ended.run.complete
        return
    assert ended.status == 130, (moment, ended.status, ended.errors)
    assert not ended.files
    done = finished(ended.run)
    assert {record.asks for record in done} == {text for text in asked.values() if text in ended.out}, moment
    for record in done:
        same = next(each for each in complete.run.records if each.case.id == record.case.id)
        assert [(arm.arm, arm.counts) for arm in record.arms] == [(arm.arm, arm.counts) for arm in same.arms]
    if ended.run is None or not ended.run.planned:
        return
    assert "interrupted" in ended.errors
    assert not ended.run.complete or len(done) == len(asked)
    told, whole_cases = " ".join(ended.errors.split()), {record.case.id for record in done}
    if "missing: everything" in told:
        assert not done
        return
    for record in complete.run.records:
        words = f"bytes of {record.case.question}, {record.case.variant or record.case.mode}"
        assert (words in told) == (record.case.id not in whole_cases)
