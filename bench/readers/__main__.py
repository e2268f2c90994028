"""`python -m bench.readers`: report, compare, gate and trend on runs of ever more records."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.command import Page, Record, Stored, run_command
from bench.readers.files import ENVIRONMENT
from bench.readers.record import Reading, Readings, load_readings
from bench.readers.table import readers_markdown
from harness.record.schema import Environment
from harness.record.store import replace_file

SIZES = (25_000, 50_000, 100_000)
_KIB = 1024  # ru_maxrss counts these, on Linux


def _commands(base: Path, head: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield what is run on two files; what a gate is held against is written by the one before it."""
    baselines = base.parent / "baselines"
    yield "report", ["report", str(head), "--markdown", str(base.parent / "summary.md")]
    yield "compare", ["compare", str(base), str(head)]
    yield "gate --update", ["gate", str(base), "--baseline", str(baselines), "--update"]
    yield "gate", ["gate", str(head), "--baseline", str(baselines)]
    yield "trend", ["trend", str(base), str(head)]


def _read(name: str, words: list[str], records: int) -> Reading:
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 (this interpreter)
        [sys.executable, "-m", "harness", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Reading(
        command=name,
        records=records,
        seconds=time.perf_counter() - began,
        processor=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss * _KIB,
        status=process.returncode,
    )


def readings(command: str, sizes: tuple[int, ...]) -> Readings:
    """Run every command on files of every size; return them a command after the other."""
    made: list[Reading] = []
    where: list[Environment] = []
    for records in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write = [sys.executable, "-m", "bench.readers.files", name, str(records)]
            subprocess.run(write, check=True)  # noqa: S603 (this interpreter)
            where.append(msgspec.json.decode((folder / ENVIRONMENT).read_bytes(), type=Environment))
            both = _commands(folder / "base.json", folder / "head.json")
            made += [_read(name, words, records) for name, words in both]
    names = list(dict.fromkeys(one.command for one in made))
    ordered = sorted(made, key=lambda one: (names.index(one.command), one.records))
    return Readings(where[0], command, tuple(ordered))


def main(
    size: Annotated[list[int] | None, typer.Option(help="records a run; may be given again")] = None,
    json: Record = Path("results/records/readers.json"),
    markdown: Page = Path("results/tables/readers.md"),
    from_json: Stored = None,
) -> None:
    """Time the commands that read stored runs, on ever more records."""
    if from_json is None:
        command = shlex.join(["python", "-m", "bench.readers", *sys.argv[1:]])
        replace_file(json, msgspec.json.encode(readings(command, tuple(size or SIZES))))
    stored = load_readings(from_json or json)
    replace_file(markdown, readers_markdown(stored).encode())
    typer.echo(readers_markdown(stored))


if __name__ == "__main__":
    run_command(main, "bench.readers")
