"""What suites gave with the watch and without it, as JSON."""

from dataclasses import dataclass
from pathlib import Path

from bench.records import load_record
from harness.record.schema import Environment


@dataclass(frozen=True, slots=True)
class Call:
    """One line that the watch listed.

    Attributes:
        kind: as the watch calls it.
        test: in which it was seen most.
        tests: how many tests it was seen in.
        file: from the package's folder on.
        line: of the call.
        function: that the call stands in.
        times: how often, over all tests.
        bytes: that one graph held; None where it was not looked at.
        says: what the watch says of it.
        remedy: what it advises.
    """

    kind: str
    test: str
    tests: int
    file: str
    line: int
    function: str
    times: int
    bytes: int | None
    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One test that ended otherwise with the flag than without.

    Attributes:
        test: its name.
        without: how it ended, in every run without the flag.
        with_flag: the same, with it.
    """

    test: str
    without: tuple[str, ...]
    with_flag: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """One package's tests, with the flag and without.

    Attributes:
        package: on PyPI.
        version: that was run.
        tests: files and folders.
        outcomes: how many tests ended so, without the flag.
        differences: tests that ended otherwise with it.
        calls: that the watch listed.
        stopped: why the watch is not complete, in its words.
        processor: seconds of the processor, a run without the flag and one with it.
        note: why these tests and not all.
    """

    package: str
    version: str
    tests: tuple[str, ...]
    outcomes: dict[str, int]
    differences: tuple[Difference, ...]
    calls: tuple[Call, ...]
    stopped: tuple[str, ...]
    processor: tuple[float, float]
    note: str = ""

    @property
    def name(self) -> str:
        """The package and its version."""
        return f"{self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class Pair:
    """One run without the flag and one with it, one after the other.

    Attributes:
        suite: what ran.
        wall: seconds of a clock, without and with.
        processor: seconds of the processor, without and with.
    """

    suite: str
    wall: tuple[float, float]
    processor: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Timing:
    """What was timed, and where.

    Attributes:
        environment: where.
        command: what timed it.
        pairs: in the order in which they ran.
    """

    environment: Environment
    command: str
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Suites:
    """One run of the benchmark.

    Attributes:
        environment: where.
        command: what ran it.
        suites: a result a package.
        watched_time: what the flag takes; None where it was not timed.
    """

    environment: Environment
    command: str
    suites: tuple[SuiteResult, ...] = ()
    watched_time: Timing | None = None


def load_suites(path: Path) -> Suites:
    """Load the benchmark's record.

    Raises:
        HarnessError: it cannot be read.
    """
    return load_record(path, Suites, "bench.suites")
