"""One rank of a run that another program asked for; its arguments are two files and a time limit."""

import os
import sys
from pathlib import Path

import msgspec

from harness.processes.ending import end_without_search
from harness.processes.lifeline import die_with


def main() -> None:
    """Take part in the run of the first file, a request; rank 0 writes the second, a run.

    The third argument is how many seconds a rank may stay where it is.
    """
    die_with(os.getppid())  # the launcher, which ends with who asked
    end_without_search()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read when torch is loaded
    from rich.console import Console

    from harness.ranks.place import place_of
    from harness.ranks.session import RankRequest, RankSession, spoken_once
    from harness.report.watch import TerminalWatch

    request_file, written, limit = sys.argv[1:]
    place = place_of(os.environ, "harness.ranks.worker")
    watch = TerminalWatch(Path(written) if place.rank == 0 else None, out=Console(quiet=True))
    request = msgspec.json.decode(Path(request_file).read_bytes(), type=RankRequest)
    with spoken_once(place, watch):
        RankSession(place, lambda: request, float(limit), watch).measure()


if __name__ == "__main__":
    main()
