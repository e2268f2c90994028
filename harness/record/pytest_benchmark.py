"""Reader of the JSON that pytest-benchmark writes in any project: names and times, nothing else."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from harness.record.check import LONGEST_SAMPLE, SHORTEST_SAMPLE, check_unique
from harness.record.codec import UnreadableError, decode_run, decoded, fields_of, read_file
from harness.record.schema import Run
from harness.record.store import load_run

_Seconds = Annotated[float, msgspec.Meta(ge=SHORTEST_SAMPLE, le=LONGEST_SAMPLE)]


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


def load_either(path: Path) -> Run | BenchmarkFile:
    """Read a run file or a pytest-benchmark file, whichever it is.

    Raises:
        UnreadableError: it is neither, or cannot be read.
    """
    if path.is_dir():
        return load_run(path)
    data = read_file(path)
    try:
        return decode_run(data, str(path))
    except UnreadableError:
        # which of the two it is meant to be is looked at only now, for a run can be large
        if _is_of_pytest_benchmark(data):
            return decode_benchmarks(data, str(path))
        raise


def _is_of_pytest_benchmark(data: bytes) -> bool:
    fields = fields_of(data)
    return "benchmarks" in fields and "schema" not in fields


def decode_benchmarks(data: bytes, name: str = "the file") -> BenchmarkFile:
    """Decode pytest-benchmark's JSON.

    Raises:
        UnreadableError: not JSON, not pytest-benchmark's, or a benchmark is there twice.
    """
    return decoded(data, BenchmarkFile, name, "pytest-benchmark's JSON", _check)


def _check(file: BenchmarkFile) -> None:
    check_unique((each.fullname for each in file.benchmarks), "benchmark", "is there twice; keep one")
