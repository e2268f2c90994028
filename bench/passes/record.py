"""What the benchmark of exact passes gave, as JSON."""

from dataclasses import dataclass
from pathlib import Path

from bench.records import load_record
from harness.record.schema import Environment


@dataclass(frozen=True, slots=True)
class Timed:
    """One model: a plain training loop of it, and `harness measure` in the same run.

    Attributes:
        model: the target.
        batch_size: examples.
        step: seconds of a plain step, the median of those before and after the command.
        step_cpu: the same in seconds of the processor: what other processes take is not among them.
        plain_peak: resident bytes of the plain loop at its highest.
        first_table: seconds from the command's start until its first table was out.
        whole: seconds of the whole command.
        whole_cpu: seconds of the processor in all of it.
        calls: of `whole`, seconds inside calls of the model.
        peak: resident bytes of the command at its highest.
        arms: that were measured.
        default: seconds of the whole command without `--time 0`.
        default_calls: of `default`, seconds inside calls of the model.
        default_arms: that it measured.
        default_timed: of these, how many have times.
    """

    model: str
    batch_size: int
    step: float
    step_cpu: float
    plain_peak: int
    first_table: float
    whole: float
    whole_cpu: float
    calls: float
    peak: int
    arms: int
    default: float
    default_calls: float
    default_arms: int
    default_timed: int


@dataclass(frozen=True, slots=True)
class Passes:
    """One run of the benchmark."""

    environment: Environment
    command: str
    timed: tuple[Timed, ...] = ()


def load_passes(path: Path) -> Passes:
    """Load what `python -m bench.passes --json` wrote.

    Raises:
        HarnessError: the file cannot be read, or is none.
    """
    return load_record(path, Passes, "bench.passes")
