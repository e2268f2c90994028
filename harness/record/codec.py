"""Bytes to structs and back; every refusal is a sentence that names what would have worked."""

import msgspec

from harness.errors import HarnessError
from harness.record.check import ImplausibleError, check_run
from harness.record.schema import SCHEMA, Record, Run

# What decoding a file from anyone can raise: no JSON, other types, bad UTF-8, brackets without end.
NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnreadableError(HarnessError, ValueError):
    """A file that is not a run, and why."""


class _Version(msgspec.Struct):
    schema: int | None = None


def encode(item: Run | Record) -> bytes:
    """Encode a run or a record as JSON."""
    return msgspec.json.encode(item)


def decode_record(data: bytes, name: str = "the record") -> Record:
    """Decode one record.

    Raises:
        UnreadableError: not JSON, or not a record; the message calls it `name`.
    """
    try:
        return msgspec.json.decode(data, type=Record)
    except NOT_READ as error:
        raise UnreadableError(f"{name} is not a record: {error}") from error


def decode_run(data: bytes, name: str = "the run") -> Run:
    """Decode a run file's bytes.

    Args:
        data: JSON text.
        name: what to call the file in a message.

    Raises:
        UnreadableError: not JSON, not a run, an unknown format, or contents that no measurement gives.
    """
    try:
        version = msgspec.json.decode(data, type=_Version).schema
    except NOT_READ as error:
        raise UnreadableError(f"{name} is not a run file: {error}") from error
    if version is None:
        raise UnreadableError(f"{name} is not a run file: it has no field `schema`")
    if version > SCHEMA:
        raise UnreadableError(
            f"{name} has format {version}, newer than {SCHEMA}, which is read here: upgrade autograd-harness"
        )
    if version < 1:
        raise UnreadableError(f"{name} has format {version}; formats 1 to {SCHEMA} are read here")
    try:
        run = msgspec.json.decode(data, type=Run)
        check_run(run)
    except NOT_READ as error:
        raise UnreadableError(f"{name} is not a run file: {error}") from error
    except ImplausibleError as error:
        raise UnreadableError(f"{name} cannot be used: {error}") from error
    return run
