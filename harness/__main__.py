"""`python -m harness`: the command line. A refusal is one line and exit status 2, an interrupt status 130."""

import sys

from harness.errors import HarnessError
from harness.processes.interrupts import INTERRUPTED, was_interrupted


def main() -> None:
    """Run the command line."""
    try:
        from harness.commands import app
        from harness.report.inert import refusal

        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as left:
        if left.code == 1 and was_interrupted(left):  # typer has a status of its own for that
            sys.exit(INTERRUPTED)
        raise
    except HarnessError as error:
        print(f"harness: {refusal(str(error))}", file=sys.stderr)  # noqa: T201 (the last resort writes to standard error)
        sys.exit(2)


if __name__ == "__main__":
    main()
