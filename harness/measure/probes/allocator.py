"""Bytes from the allocator: its own events on the CPU, its statistics on a device."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.record.measured import Metric
from harness.record.names import PEAK


def _witness(name: str, unit: str, meaning: str) -> Metric:
    """Return a metric that depends on what the allocator did before, and is therefore never gated."""
    return Metric(name, "B" if unit == "B" else "1", "lower", "witness", meaning)


def _read(seen: Observation) -> dict[str, int]:
    counts = {
        PEAK: seen.levels.peak_bytes(),
        "forward peak": seen.forward_levels.peak_bytes(),
        "retained": seen.forward_levels.retained_bytes(),
    }
    optimizer = seen.part_levels("optimizer")
    if optimizer is not None:
        counts["optimizer temporary"] = optimizer.peak_bytes()
    if seen.statistics is None:
        counts["allocations"] = sum(1 for event in seen.whole.allocations if event.bytes > 0)
        return counts
    counts["allocations"] = seen.statistics.allocations()
    counts["allocated peak"] = seen.statistics.allocated_peak_bytes()
    counts["reserved peak"] = seen.statistics.reserved_peak_bytes()
    counts["allocator retries"] = seen.statistics.retries()
    if seen.device is not None:
        counts["workspace"] = seen.device.workspace_bytes
    return counts


PROBE = Probe(
    (
        exact(PEAK, "B", "highest allocated bytes above the start of the step"),
        exact("forward peak", "B", "the same over the forward pass alone"),
        exact("retained", "B", "bytes held when the forward pass has returned, its output included"),
        exact("optimizer temporary", "B", "highest allocated bytes above the start of the optimizer part"),
        exact("allocations", "1", "blocks asked of the allocator in a step"),
        _witness("allocated peak", "B", "peak with each block as large as the device's allocator rounds it"),
        _witness("reserved peak", "B", "most bytes that the device's allocator held from the driver"),
        _witness("allocator retries", "1", "times the device's memory ran out and the cache was emptied"),
        _witness("workspace", "B", "what the first matrix product on the device took and keeps"),
    ),
    _read,
)
