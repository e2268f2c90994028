"""The books: bytes saved for backward, and what is left unaccounted for."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.record.names import SAVED


def _read(seen: Observation) -> dict[str, int]:
    counts = {
        SAVED: seen.graph.saved_bytes,
        "scalars": seen.graph.scalar_bytes,
    }
    if seen.books is not None:
        counts["unaccounted"] = seen.books.unaccounted
    if seen.device is not None:
        counts["saved on the host"] = seen.graph.elsewhere
    return counts


PROBE = Probe(
    (
        exact(SAVED, "B", "unique storages that the forward pass saved for backward"),
        exact("scalars", "B", "wrapped Python numbers that the graph holds, 8 bytes each"),
        exact("unaccounted", "B", "retained bytes that are neither output, nor saved, nor scalars"),
        exact("saved on the host", "B", "what a forward pass on a device saves beside that device's memory"),
    ),
    _read,
)
