"""The records of this folder's benchmarks, read as the types that wrote them."""

from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import HarnessError

_Kind = TypeVar("_Kind")


def load_record(path: Path, kind: type[_Kind], bench: str) -> _Kind:
    """Load what a benchmark kept.

    Args:
        path: its file.
        kind: the type that was written.
        bench: the benchmark, as `python -m` takes it.

    Raises:
        HarnessError: the file cannot be read, or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise HarnessError(f"{path} is no record of {bench}: {error}") from error
