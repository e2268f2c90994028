"""Counts: autograd nodes, operators, and what is launched on a device."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.measure.recording import sees_launches


def _read(seen: Observation) -> dict[str, int]:
    counts = {"nodes": seen.graph.nodes, "operators": len(seen.whole.operators), "waits": seen.waits.count}
    optimizer = seen.part("optimizer")
    if optimizer is not None:
        counts["optimizer operators"] = len(optimizer.operators)
    if seen.device is not None and sees_launches():
        counts["kernel launches"] = len(seen.whole.launches)
        if optimizer is not None:
            counts["optimizer launches"] = len(optimizer.launches)
    return counts


PROBE = Probe(
    (
        exact("nodes", "1", "autograd nodes behind what the forward pass returns"),
        exact("operators", "1", "operators dispatched in a step, those called by operators included"),
        exact("waits", "1", "values read back in a step, for each of which the host waits on a device"),
        exact("optimizer operators", "1", "operators dispatched in the optimizer part"),
        exact("kernel launches", "1", "kernels that the host puts into the device's queue in a step"),
        exact("optimizer launches", "1", "kernels that it puts there in the optimizer part"),
    ),
    _read,
)
