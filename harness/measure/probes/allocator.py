"""Bytes from the allocator's own events."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.record.names import PEAK


def _read(seen: Observation) -> dict[str, int]:
    counts = {
        PEAK: seen.whole.peak_bytes(),
        "forward peak": seen.forward.peak_bytes(),
        "retained": seen.forward.retained_bytes(),
        "allocations": sum(1 for event in seen.whole.allocations if event.bytes > 0),
    }
    optimizer = seen.part("optimizer")
    if optimizer is not None:
        counts["optimizer temporary"] = optimizer.peak_bytes()
    return counts


PROBE = Probe(
    (
        exact(PEAK, "B", "highest allocated bytes above the start of the step"),
        exact("forward peak", "B", "the same over the forward pass alone"),
        exact("retained", "B", "bytes held when the forward pass has returned, its output included"),
        exact("optimizer temporary", "B", "highest allocated bytes above the start of the optimizer part"),
        exact("allocations", "1", "blocks asked of the allocator in a step"),
    ),
    _read,
)
