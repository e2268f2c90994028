"""A run while it goes on: each finished record is kept at once, and no run overwrites another."""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from harness.record.codec import decode_run, encode, read_file
from harness.record.schema import Record, Run
from harness.record.store import StoreError, clear_half_written, locked, read_parts, replace_file

_BEGUN = "run.json"
Arm = tuple[str, str]  # its case and its name


class RunWriter:
    """Keeps the records of one session while it goes on, and makes the run file at its end.

    Until `finish`, the records lie in `<id>.partial/`, a file each.
    """

    def __init__(self, folder: Path, run: Run, part: str = "") -> None:
        """Begin to write a run.

        Args:
            folder: of runs.
            run: without records.
            part: the name of this process among those that write one run together, which `finished` makes
                of it in the end; "" where it writes a run of its own, whose id then is one that no other has.

        Raises:
            StoreError: the folder is read-only, or the disk is full.
        """
        self._part = f"-{part}" if part else ""
        self._numbers: dict[str, int] = {}
        self.run, self._lock = _reserved(folder, run, shared=bool(part))
        self.path = folder / f"{self.run.id}.json"
        self._partial = self.path.with_name(f"{self.run.id}.partial")
        try:
            replace_file(self._partial / _BEGUN, encode(self.run))
        except StoreError:
            if not part:
                shutil.rmtree(self._partial, ignore_errors=True)
            raise

    def plan(self, arms: Iterable[Arm]) -> None:
        """Note which arms of which cases are to come, before any is measured.

        Raises:
            StoreError: it cannot be written.
        """
        self.run = msgspec.structs.replace(self.run, planned=tuple(arms))
        for case, _ in self.run.planned:
            self._numbers.setdefault(case, len(self._numbers))
        replace_file(self._partial / "run.json", encode(self.run))

    def excuse(self, arms: Collection[Arm]) -> None:
        """Take arms off the plan that were not to be measured after all."""
        self.run = without(self.run, arms)

    def add(self, record: Record) -> None:
        """Keep a record; a later one of the same case takes its place."""
        number = self._numbers.setdefault(record.case.id, len(self._numbers))
        if not (self._partial / _BEGUN).exists():  # somebody removed the folder
            replace_file(self._partial / _BEGUN, encode(self.run))
        replace_file(self._partial / f"{number:06}{self._part}.json", encode(record))

    def finish(self, *, complete: bool) -> Run:
        """Make the run file of all that was added, and return what it holds.

        It is complete where the session was, and everything that was planned is there.

        Raises:
            StoreError: it cannot be written, or something else made a file of that name.
        """
        run = _finish(self._partial, self.run, complete=complete)
        os.close(self._lock)
        return run


def finished(partial: Path, excused: Collection[Arm], *, complete: bool) -> Run:
    """Make the run file of what several processes added to one run, and return what it holds.

    Args:
        partial: the folder in which their records lie.
        excused: what was not to be measured after all.
        complete: whether none of them was ended.

    Raises:
        HarnessError: something cannot be read or written.
    """
    run = decode_run(read_file(partial / _BEGUN), str(partial))
    return _finish(partial, without(run, excused), complete=complete)


def without(run: Run, arms: Collection[Arm]) -> Run:
    """Return a run whose plan does not hold these arms."""
    return msgspec.structs.replace(run, planned=tuple(each for each in run.planned if each not in arms))


def _finish(partial: Path, run: Run, *, complete: bool) -> Run:
    path = partial.with_suffix(".json")
    if path.exists():
        raise StoreError(f"{path} exists already; this session's records are in {partial}")
    run = msgspec.structs.replace(run, records=read_parts(partial))
    run = msgspec.structs.replace(run, complete=complete and not run.missing)
    replace_file(path, encode(run))
    shutil.rmtree(partial, ignore_errors=True)  # it may have been removed meanwhile
    _clear(partial.parent, run)
    return run


def _clear(folder: Path, run: Run) -> None:
    """Remove what killed sessions left that is of no use, or all of which is in a complete run."""
    clear_half_written(folder)
    for partial in folder.glob("*.partial"):
        with suppress(OSError, ValueError), _alone(partial) as is_left:
            if is_left:
                clear_half_written(partial)
                if _is_of_no_use(partial, run):
                    shutil.rmtree(partial)


@contextmanager
def _alone(partial: Path) -> Iterator[bool]:
    """Say whether the processes that wrote to a folder are gone; none begins to meanwhile."""
    handle = os.open(partial, os.O_RDONLY)
    try:
        yield locked(handle)
    finally:
        os.close(handle)


def _is_of_no_use(partial: Path, run: Run) -> bool:
    left = {(record.case.id, arm.arm) for record in read_parts(partial) for arm in record.arms}
    if not left:
        return True
    begun = decode_run(read_file(partial / _BEGUN), str(partial))
    there = {(record.case.id, arm.arm) for record in run.records for arm in record.arms}
    return run.complete and left <= there and begun.environment.torch == run.environment.torch


def _reserved(folder: Path, run: Run, *, shared: bool) -> tuple[Run, int]:
    """Make `<id>.partial` under an id that no session and no run file has; making it is atomic.

    Args:
        folder: of runs.
        run: whose id gets a number where it is taken.
        shared: the id is that of several processes, one of which may have made it.

    Returns:
        The run under its id, and the handle of its folder, which is locked for as long as the run goes on.

    Raises:
        StoreError: the folder is read-only, or the disk is full.
    """
    number, begun = 1, run
    while True:
        partial = folder / f"{begun.id}.partial"
        try:
            partial.mkdir(parents=True, exist_ok=shared)
            # Only now: a session that finished in between has made its run file before it gave up its folder.
            if not (folder / f"{begun.id}.json").exists():
                lock = os.open(partial, os.O_RDONLY)
                locked(lock, shared=True, waits=True)
                if os.fstat(lock).st_nlink:
                    return begun, lock
                os.close(lock)  # somebody took the folder for one that was left, before it was locked
                continue
            partial.rmdir()
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError(f"{partial} cannot be made: {error.strerror}") from error
        number += 1
        begun = msgspec.structs.replace(run, id=f"{run.id}-{number}")
