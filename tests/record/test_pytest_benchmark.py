"""The reader of other projects' benchmarks, on a file that pytest-benchmark itself writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import runs

from harness.record.codec import UnreadableError, encode
from harness.record.pytest_benchmark import BenchmarkFile, decode_benchmarks, load_either
from harness.record.schema import Run

STATS = {"median": 2e-3, "q1": 1.9e-3, "q3": 2.1e-3, "rounds": 50}


def file(*names: str, **stats: float) -> bytes:
    benchmarks = [{"fullname": name, "stats": {**STATS, **stats}} for name in names]
    return json.dumps({"benchmarks": benchmarks, "machine_info": {"cpu": {"brand_raw": "CPU 1"}}}).encode()


@pytest.mark.process
def test_the_file_that_pytest_benchmark_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "test_sum.py").write_text("def test_sum(benchmark):\n    benchmark(sum, range(100))\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:harness", "--benchmark-max-time=0.02"]
    subprocess.run(  # noqa: S603 (our own interpreter)
        [*command, "--benchmark-json=b.json", "test_sum.py"], cwd=tmp_path, check=True, capture_output=True
    )
    found = load_either(tmp_path / "b.json")

    assert isinstance(found, BenchmarkFile)
    assert [benchmark.fullname for benchmark in found.benchmarks] == ["test_sum.py::test_sum"]
    assert found.benchmarks[0].stats.median > 0
    assert found.python.startswith("3.")


def test_a_run_is_told_from_benchmarks(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(encode(runs.run()))
    (tmp_path / "bench.json").write_bytes(file("a"))

    assert isinstance(load_either(tmp_path / "run.json"), Run)
    assert isinstance(load_either(tmp_path / "bench.json"), BenchmarkFile)


def test_the_machine_is_the_processors_name_or_nothing() -> None:
    assert decode_benchmarks(file("a")).machine == "CPU 1"
    assert decode_benchmarks(b'{"benchmarks": [], "machine_info": {"cpu": 3}}').machine == ""


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (file("a", "a"), "benchmark 'a' is there twice"),
        (file("a", median=-1.0), "Expected `float` >= 1e-15"),
        (file("a", median=0.0), "Expected `float` >= 1e-15"),
        (file("a", rounds=0), "Expected `int` >= 1"),
        (file("a").replace(b"0.002,", b"NaN,"), "is not pytest-benchmark's JSON"),
        (b'{"benchmarks": [{"fullname": 3}]}', "Expected `str`, got `int`"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_benchmarks(data, "b.json")

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
