"""memray: a tracker around the call, and the peak that its file states."""

import tempfile
from pathlib import Path

from bench.peers.tool import MemoryPeer
from harness.workload.model import Model


def read(model: Model) -> tuple[int, int | None]:
    """Return the peak of what was allocated under the tracker, in bytes."""
    import memray

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memray.bin"
        with memray.Tracker(path):
            model()
        with memray.FileReader(path) as reader:
            peak = int(reader.metadata.peak_memory)
    return peak, None


PEER = MemoryPeer("memray", "memray", "peak of what malloc gave out under its tracker", __name__)
