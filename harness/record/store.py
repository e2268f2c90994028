"""Files of records: each finished record is kept at once, and no run overwrites another."""

import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.record.bounds import ImplausibleError
from harness.record.check import check_run
from harness.record.codec import UnreadableError, decode_record, decode_run, encode, read_file
from harness.record.schema import Record, Run

_NEW_MODE = 0o644
STANDARD_OUTPUT = Path("-")  # in place of a file, where a command line names one


class StoreError(HarnessError, OSError):
    """Results that could not be written, in one sentence."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that is there keeps its mode.

    A link is followed, and what is no file, such as a device or a pipe, is written to as it is.

    Raises:
        StoreError: the folder is read-only, or the disk is full.
    """
    mode = _NEW_MODE
    try:
        path = path.resolve() if path.is_symlink() else path
        if path.exists() and not path.is_dir():
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                path.write_bytes(data)
                return
            mode = stat.S_IMODE(status.st_mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException as error:  # an interrupt too leaves no half file
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        raise


class RunWriter:
    """Keeps the records of one session while it goes on, and makes the run file at its end.

    Until `finish`, the records lie in `<id>.partial/`, a file each.
    """

    def __init__(self, folder: Path, run: Run) -> None:
        number = 1
        self.run = run
        while not _reserved(folder, self.run.id):
            number += 1
            self.run = msgspec.structs.replace(run, id=f"{run.id}-{number}")
        self.path = folder / f"{self.run.id}.json"
        self._partial = folder / f"{self.run.id}.partial"
        self._numbers: dict[str, int] = {}
        try:
            replace_file(self._partial / "run.json", encode(self.run))
        except StoreError:
            self._partial.rmdir()
            raise

    def plan(self, arms: Iterable[tuple[str, str]]) -> None:
        """Note which arms of which cases are to come, before any is measured.

        Raises:
            StoreError: it cannot be written.
        """
        self.run = msgspec.structs.replace(self.run, planned=tuple(arms))
        replace_file(self._partial / "run.json", encode(self.run))

    def excuse(self, arms: Collection[tuple[str, str]]) -> None:
        """Take arms off the plan that were not to be measured after all."""
        self.run = msgspec.structs.replace(
            self.run, planned=tuple(each for each in self.run.planned if each not in arms)
        )

    def add(self, record: Record) -> None:
        """Keep a record; a later one of the same case takes its place."""
        number = self._numbers.setdefault(record.case.id, len(self._numbers))
        replace_file(self._partial / f"{number:06}.json", encode(record))

    def finish(self, *, complete: bool) -> Run:
        """Make the run file of all that was added, and return what it holds.

        It is complete where the session was, and everything that was planned is there.

        Raises:
            StoreError: it cannot be written, or something else made a file of that name.
        """
        if self.path.exists():
            raise StoreError(f"{self.path} exists already; this session's records are in {self._partial}")
        run = msgspec.structs.replace(self.run, records=_read_parts(self._partial))
        run = msgspec.structs.replace(run, complete=complete and not run.missing)
        replace_file(self.path, encode(run))
        shutil.rmtree(self._partial)
        return run


def load_run(path: Path) -> Run:
    """Read a run file, or the `<id>.partial` folder that a killed session left.

    Raises:
        UnreadableError: missing, unreadable, or not a run.
    """
    try:
        if path.is_dir():
            begun = decode_run(read_file(path / "run.json"), str(path))
            run = msgspec.structs.replace(begun, records=_read_parts(path), complete=False)
            check_run(run)
            return run
    except ImplausibleError as error:
        raise UnreadableError(f"{path} cannot be used: {error}") from error
    return decode_run(read_file(path), str(path))


def _reserved(folder: Path, name: str) -> bool:
    """Make `<name>.partial` if no session has it and no run file has the name; making it is atomic.

    Raises:
        StoreError: the folder is read-only, or the disk is full.
    """
    partial = folder / f"{name}.partial"
    try:
        partial.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreError(f"{partial} cannot be made: {error.strerror}") from error
    # Only now: a session that finished in between has made its run file before it gave up its folder.
    if (folder / f"{name}.json").exists():
        partial.rmdir()
        return False
    return True


def newest_by_version(folder: Path) -> tuple[Run, ...]:
    """Return, for each torch version, the newest complete run anywhere under a folder.

    Raises:
        UnreadableError: there is none, or a run file cannot be read.
    """
    runs = [load_run(path) for path in sorted(folder.rglob("runs/*.json"))]
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.environment.started):
        newest[run.environment.torch] = run
    if not newest:
        raise UnreadableError(
            f"no run file under {folder}; `pytest bench/ --benchmark-only` writes them to results/runs"
        )
    return tuple(newest.values())


def _read_parts(partial: Path) -> tuple[Record, ...]:
    parts = sorted(partial.glob("[0-9]*.json"))
    return tuple(decode_record(read_file(part), str(part)) for part in parts)
