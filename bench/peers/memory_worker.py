"""The fresh process in which one tool reads the memory of one size of the work, a few times."""

import importlib
import sys
import time

import msgspec

from bench.peers.record import MemoryReading
from bench.peers.work import forward, peak_by_hand


class Read(msgspec.Struct, frozen=True):
    """What the process says."""

    exact: int  # bytes, by hand
    readings: tuple[MemoryReading, ...]


def main(module: str, batch_size: int, readings: int) -> None:
    """Read the peak so many times with the tool of that module, and print it all as JSON."""
    read = importlib.import_module(module).read
    model = forward(batch_size)
    values = []
    for _ in range(readings):
        start = time.perf_counter()
        peak, before = read(model)
        values.append(MemoryReading(peak, before, time.perf_counter() - start))
    sys.stdout.write(
        msgspec.json.encode(Read(peak_by_hand(model, batch_size), tuple(values))).decode() + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
