"""Every kind of file that a command keeps, and what makes its report of it again."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.errors import HarnessError
from harness.record.codec import UnreadableError, fields_of, read_file
from harness.record.store import replace_file
from harness.report.document import Document


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads one kind of file.

    Attributes:
        what: such a file holds, in words.
        fields: at the top of such a file, all of them, and together in no other kind.
        module: has a function `document` that takes the file's path; it is imported when it is needed.
    """

    what: str
    fields: frozenset[str]
    module: str


RUN = Reader("a run", frozenset({"schema", "records"}), "harness.report.run_document")
READERS = (
    RUN,
    Reader("a duel", frozenset({"duel"}), "harness.report.duel_document"),
    Reader("claims", frozenset({"schema", "results"}), "harness.claims.report"),
    Reader("a calibration", frozenset({"cells"}), "harness.calibration.report"),
    Reader("a baseline", frozenset({"key", "rows"}), "harness.report.baseline_document"),
    Reader("a search for a step that fits", frozenset({"untouched", "limit"}), "harness.report.fit_document"),
    # These read what the project measures of itself, with modules that lie in its repository alone.
    Reader("a comparison of tools", frozenset({"timing", "memory"}), "bench.peers.table"),
    Reader("the trials of duels", frozenset({"trials", "command"}), "bench.duels.table"),
    Reader("plans of real models", frozenset({"searches", "exhausted"}), "bench.fits.table"),
    Reader("exact numbers in plain steps", frozenset({"timed", "command"}), "bench.passes.table"),
    Reader("how readers grow with records", frozenset({"readings", "command"}), "bench.readers.table"),
    Reader("suites with the watch and without", frozenset({"suites", "watched_time"}), "bench.suites.table"),
    Reader("the books of every architecture", frozenset({"runs", "charts"}), "bench.atlas.table"),
)


def reader_of(path: Path) -> Reader | None:
    """Return who reads a stored file; None where it is of another kind, or not a JSON object.

    Raises:
        UnreadableError: it cannot be read.
    """
    if path.is_dir():
        return RUN  # the folder that a killed session left
    fields = fields_of(read_file(path))
    return next((reader for reader in READERS if reader.fields <= fields), None)


def document_of(path: Path) -> Document:
    """Return the report of a stored file of any kind.

    Raises:
        HarnessError: the file cannot be read, or is of no kind that is known here.
    """
    reader = reader_of(path)
    if reader is None:
        known = ", ".join(each.what for each in READERS)
        raise UnreadableError(f"{path} is not a stored file that is known here; give {known}")
    document: Document = _imported(reader, path).document(path)
    return document


def _imported(reader: Reader, path: Path) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109 (sys.path holds strings)
    if not reader.module.startswith("harness.") and here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(reader.module)
    except ModuleNotFoundError as error:
        raise HarnessError(
            f"{path} holds {reader.what}, which {reader.module} reads: run this in the root of the"
            " repository of autograd-harness"
        ) from error


def report_stored(
    paths: Sequence[Path], forms: Mapping[str, Path | None], tables: Path | None, say: Callable[[str], None]
) -> bool:
    """Write the reports of stored files that are not runs: what `harness report` does with them.

    Args:
        paths: of the files.
        forms: where a format is to be written, by its name; None where it is not wanted.
        tables: the folder of tables; None where they are not wanted.
        say: takes each line that the command prints: paths that were written, or the markdown where
            nothing is to be written.

    Returns:
        Whether the files were of these kinds. Where all are runs or unknown, nothing was done.

    Raises:
        HarnessError: a file cannot be read, runs and others are given together, or such a file does not
            have one of the formats.
    """
    kinds = [reader_of(path) for path in paths]
    if all(kind is None or kind is RUN for kind in kinds):
        return False
    documents = [document_of(path) for path in paths]
    wanted = {name: path for name, path in forms.items() if path is not None}
    if len(documents) > 1 and (wanted or any(kind is RUN for kind in kinds)):
        raise HarnessError("give runs alone, or one other file, or others with --tables DIR alone")
    for document in documents:
        for name, target in wanted.items():
            _write(target, _form(document, name), say)
        if tables is not None:
            for name, text in document.tables().items():
                _write(tables / name, text, say)
        elif not wanted:
            say(document.forms["markdown"]().rstrip("\n"))
    return True


def _form(document: Document, name: str) -> str:
    make = document.forms.get(name)
    if make is None:
        has = ", ".join(f"--{form.replace('_', '-')}" for form in document.forms)
        raise HarnessError(f"{document.what} has no --{name.replace('_', '-')}; it has {has}")
    return make()


def _write(path: Path, text: str, say: Callable[[str], None]) -> None:
    replace_file(path, text.encode())
    say(str(path))
