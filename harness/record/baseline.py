"""Baseline files: the exact values of every case under one key, a row a line, sorted.

The key is what exact values depend on. A file is made to be merged: rows are separated by empty lines, and
the last one is `null`, so that a change of one row touches no line that a change of another touches. What
counts are made of follows in rows of its own, which decide nothing: they name the cause of a difference.

History of the format, newest first; a file once written loads for ever:

1  first format (version 0.1.0)
"""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.record.bounds import quoted
from harness.record.callers import CallerKey, Callers
from harness.record.codec import UnreadableError, decoded, read_file
from harness.record.schema import Case, Environment
from harness.record.store import replace_file

BASELINE_FORMAT = 1

Values = Mapping[tuple[str, str], Mapping[str, int]]  # by case and arm, then by what is counted


class BaselineError(HarnessError, ValueError):
    """A baseline that cannot be read, in one sentence."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What exact values depend on; a baseline holds for one key."""

    torch: str
    build: str
    threads: int
    dtype: str
    device: str  # "cpu", or a device's name in words, for kernels differ between devices
    cpu_capability: str

    @property
    def name(self) -> str:
        """The key as a file name without its suffix; other characters than these few become "_".

        >>> Key(
        ...     torch="2.13.0", build="cpu", threads=1, dtype="float32", device="cpu", cpu_capability="AVX2"
        ... ).name
        'torch2.13.0-cpu-1t-float32-cpu-AVX2'
        """
        parts = (
            f"torch{self.torch}",
            self.build,
            f"{self.threads}t",
            self.dtype,
            self.device,
            self.cpu_capability,
        )
        return re.sub(r"[^A-Za-z0-9.+-]", "_", "-".join(parts))

    def differences(self, other: "Key") -> tuple[str, ...]:
        """Say in what the other key differs, as in "CPU capability AVX512 there, AVX2 here"."""
        return tuple(
            f"{_WORDS[field]} {getattr(other, field)} there, {getattr(self, field)} here"
            for field in self.__struct_fields__
            if getattr(self, field) != getattr(other, field)
        )


_WORDS = {
    "torch": "torch",
    "build": "build",
    "threads": "threads",
    "dtype": "dtype",
    "device": "device",
    "cpu_capability": "CPU capability",
}


def key_of(environment: Environment, case: Case) -> Key:
    """Return the key under which a case's exact values hold."""
    device = case.device.partition(":")[0]
    return Key(
        torch=environment.torch,
        build=environment.build,
        threads=environment.threads,
        dtype=case.dtype,
        device=device if device == "cpu" else f"{device} {environment.device}",
        cpu_capability=environment.cpu_capability,
    )


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The values that hold under one key."""

    key: Key
    values: dict[tuple[str, str], dict[str, int]] = {}
    packages: dict[str, str] = {}  # what the models came from when the rows were last written
    callers: dict[tuple[str, str], dict[CallerKey, dict[str, int]]] = {}  # by case and arm; none in old files


class _File(msgspec.Struct, kw_only=True):
    format: int
    key: Key
    packages: dict[str, str] = {}
    rows: list[tuple[str, str, str, int] | None]
    callers: list[tuple[str, str, str, list[str], dict[str, int]] | None] = []


class _Version(msgspec.Struct):
    format: int | None = None


def path_of(folder: Path, key: Key) -> Path:
    """Return where a key's baseline lies."""
    return folder / f"{key.name}.json"


def read_baselines(folder: Path) -> dict[str, Baseline]:
    """Read all baselines of a folder, by file name without suffix.

    Raises:
        BaselineError: the folder is missing or unreadable, or one of its files is.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise BaselineError(
            f"the baseline directory {folder} cannot be read: {error.strerror};"
            " `harness gate RUN.json --baseline DIR --update` makes one"
        ) from error
    return {path.stem: load_baseline(path) for path in paths}


def load_baseline(path: Path) -> Baseline:
    """Read one baseline file.

    Raises:
        BaselineError: it cannot be read, or is not a baseline.
    """
    try:
        return decode_baseline(read_file(path), str(path))
    except UnreadableError as error:
        raise BaselineError(str(error)) from error


def decode_baseline(data: bytes, name: str = "the baseline") -> Baseline:
    """Decode a baseline file's bytes.

    Raises:
        BaselineError: not JSON, not a baseline, an unknown format, or a row that is there twice.
    """
    try:
        version = decoded(data, _Version, name, "a baseline").format
        if version is None:
            raise BaselineError(f"{name} is not a baseline: it has no field `format`")
        if version > BASELINE_FORMAT:
            raise BaselineError(
                f"{name} has format {version}, newer than {BASELINE_FORMAT}, which is read here:"
                " upgrade autograd-harness"
            )
        if version < 1:
            raise BaselineError(f"{name} has format {version}; formats 1 to {BASELINE_FORMAT} are read here")
        file = decoded(data, _File, name, "a baseline")
    except UnreadableError as error:
        raise BaselineError(str(error)) from error
    values: dict[tuple[str, str], dict[str, int]] = {}
    for row in file.rows:
        if row is None:
            continue
        case, arm, metric, value = row
        rows = values.setdefault((case, arm), {})
        if metric in rows:
            raise BaselineError(
                f"{name}: {metric} of {case}, {arm}, is there twice, as a merge of two changes leaves it;"
                " keep the right row"
            )
        rows[metric] = value
    return Baseline(key=file.key, values=values, packages=file.packages, callers=_callers(file, name))


def _callers(file: _File, name: str) -> dict[tuple[str, str], dict[CallerKey, dict[str, int]]]:
    callers: dict[tuple[str, str], dict[CallerKey, dict[str, int]]] = {}
    for row in file.callers:
        if row is None:
            continue
        case, metric, where, arms, counted = row
        for arm in arms:
            places = callers.setdefault((case, arm), {})
            if (metric, where) in places:
                raise BaselineError(
                    f"{quoted(name)}: {quoted(where)} of {quoted(case)}, {quoted(arm)}, is there twice, as a"
                    " merge of two changes leaves it; keep the right row"
                )
            places[metric, where] = counted
    return callers


def encode_baseline(baseline: Baseline) -> bytes:
    """Encode a baseline as JSON, a row a line, sorted."""
    head = [
        f'"format": {BASELINE_FORMAT},',
        f'"key": {msgspec.json.encode(baseline.key).decode()},',
        f'"packages": {msgspec.json.encode(dict(sorted(baseline.packages.items()))).decode()},',
        '"rows": [',
    ]
    rows = (f"{row},\n" for row in rows_as_text(baseline.values))
    callers = [f"{row},\n" for row in _callers_as_text(baseline.callers)]
    more = ["],", '"callers": [', "", *callers, "null"] if callers else []
    return "\n".join(["{", *head, "", *rows, "null", *more, "]}", ""]).encode()


def rows_as_text(values: Values) -> list[str]:
    """Return the rows as they stand in a file, sorted, without their commas."""
    return [
        msgspec.json.encode((case, arm, metric, value)).decode()
        for (case, arm), counted in sorted(values.items())
        for metric, value in sorted(counted.items())
    ]


def _callers_as_text(callers: Mapping[tuple[str, str], Callers]) -> list[str]:
    """Return the rows of callers; arms of a case in which they are the same are in one."""
    alike: dict[tuple[str, str, str, tuple[tuple[str, int], ...]], list[str]] = {}
    for (case, arm), places in sorted(callers.items()):
        for (metric, where), counted in places.items():
            alike.setdefault((case, metric, where, tuple(sorted(counted.items()))), []).append(arm)
    return [
        msgspec.json.encode((case, metric, where, arms, dict(counted))).decode()
        for (case, metric, where, counted), arms in sorted(alike.items())
    ]


def write_baseline(folder: Path, baseline: Baseline) -> Path:
    """Write a baseline whole, and return where.

    Raises:
        StoreError: it cannot be written.
    """
    path = path_of(folder, baseline.key)
    replace_file(path, encode_baseline(baseline))
    return path
