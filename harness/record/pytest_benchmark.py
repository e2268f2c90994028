"""Reader of the JSON that pytest-benchmark writes in any project: names and times, nothing else."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from harness.record.codec import NOT_READ, UnreadableError, decode_run
from harness.record.schema import Run
from harness.record.store import load_run

_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Stats(msgspec.Struct, frozen=True):
    """What pytest-benchmark computed of one benchmark, in seconds a call."""

    median: _Seconds
    q1: _Seconds
    q3: _Seconds
    rounds: Annotated[int, msgspec.Meta(ge=1)]


class Benchmark(msgspec.Struct, frozen=True):
    """One benchmark."""

    fullname: str
    stats: Stats


class BenchmarkFile(msgspec.Struct, frozen=True):
    """One session of pytest-benchmark.

    `machine_info` is what the file says of the machine; only words are taken from it.
    """

    benchmarks: tuple[Benchmark, ...]
    machine_info: dict[str, Any] = {}
    datetime: str = ""
    version: str = ""

    @property
    def machine(self) -> str:
        """The processor's name, and what the file's own names say where there is none."""
        cpu = self.machine_info.get("cpu")
        brand = cpu.get("brand_raw") if isinstance(cpu, dict) else None
        return str(brand or self.machine_info.get("processor") or self.machine_info.get("machine") or "")

    @property
    def python(self) -> str:
        """The version of Python."""
        return str(self.machine_info.get("python_version") or "")


class _Shape(msgspec.Struct):
    schema: int | None = None
    benchmarks: msgspec.Raw = msgspec.Raw(b"")


def load_either(path: Path) -> Run | BenchmarkFile:
    """Read a run file or a pytest-benchmark file, whichever it is.

    Raises:
        UnreadableError: it is neither, or cannot be read.
    """
    if path.is_dir():
        return load_run(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return decode_run(data, str(path))
    except UnreadableError:
        # which of the two it is meant to be is looked at only now, for a run can be large
        if _is_of_pytest_benchmark(data):
            return decode_benchmarks(data, str(path))
        raise


def _is_of_pytest_benchmark(data: bytes) -> bool:
    try:
        shape = msgspec.json.decode(data, type=_Shape)
    except NOT_READ:
        return False
    return bool(bytes(shape.benchmarks)) and shape.schema is None


def decode_benchmarks(data: bytes, name: str = "the file") -> BenchmarkFile:
    """Decode pytest-benchmark's JSON.

    Raises:
        UnreadableError: not JSON, not pytest-benchmark's, or a benchmark is there twice.
    """
    try:
        file = msgspec.json.decode(data, type=BenchmarkFile)
    except NOT_READ as error:
        raise UnreadableError(f"{name} is not pytest-benchmark's JSON: {error}") from error
    names = set()
    for benchmark in file.benchmarks:
        if benchmark.fullname in names:
            raise UnreadableError(f"{name}: benchmark {benchmark.fullname!r} is there twice; keep one")
        names.add(benchmark.fullname)
    return file
