"""What a probe is."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.measure.observe import Observation
from harness.record.measured import Metric


@dataclass(frozen=True, slots=True)
class Probe:
    """Takes one exact metric, or a few that belong together.

    Attributes:
        metrics: what it takes.
        read: the numbers by metric name; a metric that the step does not have is left out.
    """

    metrics: tuple[Metric, ...]
    read: Callable[[Observation], dict[str, int]]


def exact(name: str, unit: str, meaning: str) -> Metric:
    """Return an exact metric of which less is better."""
    return Metric(name, unit, "lower", "exact", meaning)
