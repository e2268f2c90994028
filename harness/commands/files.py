"""Files that commands write: `--json FILE` means the same in each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from harness.errors import HarnessError
from harness.record.store import STANDARD_OUTPUT, replace_file
from harness.report.inert import escaped_json, printable


def check_output(path: Path, inputs: Sequence[Path]) -> None:
    """Check that a command does not write over what it reads.

    Raises:
        HarnessError: the file is one of the inputs.
    """
    if path in inputs:
        raise HarnessError(f"--json {path} would write over what is read; name another file")


def write_json(path: Path, content: Any, inputs: Sequence[Path] = ()) -> None:
    """Write JSON to a file, or to standard output for "-".

    Args:
        path: of the file.
        content: text or bytes that are JSON already, or what msgspec encodes.
        inputs: files that the command read, which it does not write over.

    Raises:
        HarnessError: the file is one of the inputs.
    """
    check_output(path, inputs)
    data = content.encode() if isinstance(content, str) else content
    data = data if isinstance(data, bytes) else msgspec.json.encode(data)
    if path == STANDARD_OUTPUT:
        typer.echo(escaped_json(data.decode()), nl=not data.endswith(b"\n"))
    else:
        replace_file(path, data)
        typer.echo(f"written: {path}", err=True)


def print_report(text: str, json: Path | None) -> None:
    """Print what a command has to say, where JSON does not take its place on standard output."""
    if json != STANDARD_OUTPUT:
        typer.echo(printable(text), nl=not text.endswith("\n"))
