"""The books: bytes saved for backward, and what is left unaccounted for."""

from harness.measure.observe import Observation
from harness.measure.probes.probe import Probe, exact
from harness.record.names import SAVED


def _read(seen: Observation) -> dict[str, int]:
    books = seen.books
    return {
        SAVED: books.saved,
        "scalars": books.scalars,
        "unaccounted": books.unaccounted,
    }


PROBE = Probe(
    (
        exact(SAVED, "B", "unique storages that the forward pass saved for backward"),
        exact("scalars", "B", "wrapped Python numbers that the graph holds, 8 bytes each"),
        exact("unaccounted", "B", "retained bytes that are neither output, nor saved, nor scalars"),
    ),
    _read,
)
