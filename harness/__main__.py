"""`python -m harness`: the command line. A refusal is one line and exit status 2, an interrupt status 130."""

import os
import sys

from harness.errors import HarnessError
from harness.processes.ending import end_without_search
from harness.processes.interrupts import INTERRUPTED, InterruptedEnd, was_interrupted


def main() -> None:
    """Run the command line."""
    end = InterruptedEnd()
    end.install()
    end_without_search()
    # Read when torch is loaded, which would else write warnings of its own between the lines: what is said of
    # memory that ran out, and of blocks that the profiler did not see allocated, comes from exceptions.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        from harness.commands import app
        from harness.report.inert import refusal

        app()
    except KeyboardInterrupt:
        end.leave()
    except SystemExit as left:
        if left.code == INTERRUPTED or (left.code == 1 and was_interrupted(left)):  # typer's own is 1
            end.leave()
        raise
    except HarnessError as error:
        print(f"harness: {refusal(str(error))}", file=sys.stderr)  # noqa: T201 (the last resort writes to standard error)
        sys.exit(2)


if __name__ == "__main__":
    main()
