"""Bytes to structs and back: the one gate for what comes in.

Every stored file goes through `read_file` and `decoded`. Every refusal is a sentence that names what would
have worked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import HarnessError
from harness.record.bounds import ImplausibleError, check_bounds, reason_of
from harness.record.check import check_run
from harness.record.schema import SCHEMA, Record, Run

# What decoding a file from anyone can raise: no JSON, other types, bad UTF-8, brackets without end.
NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
LARGEST_FILE = 2**30  # bytes

Stored = TypeVar("Stored")


class UnreadableError(HarnessError, ValueError):
    """A file that is not a run, and why."""


class _Version(msgspec.Struct):
    schema: int | None = None


def encode(item: Run | Record) -> bytes:
    """Encode a run or a record as JSON."""
    return msgspec.json.encode(item)


def read_file(path: Path) -> bytes:
    """Read a stored file.

    Raises:
        UnreadableError: it cannot be read, or is larger than any that is written here.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # the latter for a name with a NUL
        said = error.strerror if isinstance(error, OSError) else error
        raise UnreadableError(f"{path} cannot be read: {said}") from error
    if len(data) > LARGEST_FILE:
        raise UnreadableError(f"{path} is larger than {LARGEST_FILE // 2**20:,} MiB, the most that is read")
    return data


def decoded(
    data: bytes, kind: type[Stored], name: str, what: str, check: Callable[[Stored], None] | None = None
) -> Stored:
    """Decode JSON as a type, and check it whole, so that who reads it cannot fail.

    Args:
        data: JSON text.
        kind: the type.
        name: what to call the file in a message.
        what: such a file is, as in "a run file".
        check: raises `ImplausibleError` for what the types do not say.

    Raises:
        UnreadableError: not JSON, of another type, or with contents that cannot be used.
    """
    try:
        value = msgspec.json.decode(data, type=kind)
    except NOT_READ as error:
        raise UnreadableError(f"{name} is not {what}: {reason_of(error)}") from error
    try:
        check_bounds(value, kind)
        if check is not None:
            check(value)
    except ImplausibleError as error:
        raise UnreadableError(f"{name} cannot be used: {error}") from error
    return value


def fields_of(data: bytes) -> frozenset[str]:
    """Return the names at the top of a JSON object; nothing where it is none."""
    try:
        fields: dict[str, Any] = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except NOT_READ:
        return frozenset()
    return frozenset(fields)


def decode_record(data: bytes, name: str = "the record") -> Record:
    """Decode one record.

    Raises:
        UnreadableError: not JSON, or not a record; the message calls it `name`.
    """
    return decoded(data, Record, name, "a record")


def decode_run(data: bytes, name: str = "the run") -> Run:
    """Decode a run file's bytes.

    Args:
        data: JSON text.
        name: what to call the file in a message.

    Raises:
        UnreadableError: not JSON, not a run, an unknown format, or contents that no measurement gives.
    """
    version = decoded(data, _Version, name, "a run file").schema
    if version is None:
        raise UnreadableError(f"{name} is not a run file: it has no field `schema`")
    if version > SCHEMA:
        raise UnreadableError(
            f"{name} has format {version}, newer than {SCHEMA}, which is read here: upgrade autograd-harness"
        )
    if version < 1:
        raise UnreadableError(f"{name} has format {version}; formats 1 to {SCHEMA} are read here")
    return decoded(data, Run, name, "a run file", check_run)
