"""Counts: autograd nodes and operators."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact


def _read(seen: Observation) -> dict[str, int]:
    counts = {"nodes": seen.graph.nodes, "operators": len(seen.whole.operators)}
    optimizer = seen.part("optimizer")
    if optimizer is not None:
        counts["optimizer operators"] = len(optimizer.operators)
    return counts


PROBE = Probe(
    (
        exact("nodes", "1", "autograd nodes behind what the forward pass returns"),
        exact("operators", "1", "operators dispatched in a step, those called by operators included"),
        exact("optimizer operators", "1", "operators dispatched in the optimizer part"),
    ),
    _read,
)
