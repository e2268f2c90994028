"""Stored files: written whole or not at all, and runs read from them."""

import glob
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.record.bounds import ImplausibleError
from harness.record.check import check_run
from harness.record.codec import UnreadableError, decode_record, decode_run, read_file
from harness.record.schema import Record, Run

if sys.platform != "win32":
    import fcntl

_NEW_MODE = 0o644
_RANDOM_CHARACTERS = 8  # at the end of what tempfile makes
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
        clear_half_written(path.parent, path.name)
        handle, name = _begun(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            name.chmod(mode)
            name.replace(path)
    except BaseException as error:  # an interrupt too leaves no half file
        name.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        raise


def _begun(path: Path) -> tuple[int, Path]:
    """Return a new file beside another, locked for as long as it is being written."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        locked(handle, waits=True)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # another process took it for one that was left, before it was locked


def clear_half_written(folder: Path, name: str = "*") -> None:
    """Remove what processes left that were killed while they wrote a file of that name."""
    pattern = f".{glob_of(name)}.{'?' * _RANDOM_CHARACTERS}"
    for left in folder.glob(pattern):
        with suppress(OSError), left.open("rb") as file:
            if locked(file.fileno()):
                left.unlink(missing_ok=True)


def glob_of(name: str) -> str:
    """Return the pattern of a name, in which no character stands for others; "*" stays as it is."""
    return name if name == "*" else glob.escape(name)


def locked(handle: int, *, shared: bool = False, waits: bool = False) -> bool:
    """Lock an open file, and return whether that could be; the lock ends with the process, however it ends.

    Args:
        handle: of the file.
        shared: with others that share it.
        waits: for who has it.
    """
    if sys.platform == "win32":  # what may be somebody's is left alone
        return False
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind if waits else kind | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or the file system has no locks
        return False
    return True


def load_run(path: Path) -> Run:
    """Read a run file, or the `<id>.partial` folder that a killed session left.

    Raises:
        UnreadableError: missing, unreadable, or not a run.
    """
    try:
        if path.is_dir():
            begun = decode_run(read_file(path / "run.json"), str(path))
            run = msgspec.structs.replace(begun, records=read_parts(path), complete=False)
            check_run(run)
            return run
    except ImplausibleError as error:
        raise UnreadableError(f"{path} cannot be used: {error}") from error
    return decode_run(read_file(path), str(path))


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


def read_parts(partial: Path) -> tuple[Record, ...]:
    """Return the records of a run that is not finished, in the order of their numbers.

    Raises:
        UnreadableError: one cannot be read.
    """
    records: dict[str, list[Record]] = {}
    for part in sorted(partial.glob("[0-9]*.json")):
        record = decode_record(read_file(part), str(part))
        records.setdefault(record.case.id, []).append(record)
    return tuple(map(_one_record, records.values()))


def _one_record(records: list[Record]) -> Record:
    """Return the record in which most was measured, with the arms that only others hold."""
    first, *others = sorted(records, key=lambda record: -sum(arm.status == "ok" for arm in record.arms))
    for other in others:
        for arm in other.arms:
            first = first if first.arm(arm.arm) else first.with_arm(arm)
    return first
