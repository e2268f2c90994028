"""`python -m harness`: run the command line and turn a refusal into one line and exit status 2."""

import sys

from harness.errors import HarnessError


def main() -> None:
    """Run the command line."""
    from harness.commands import app
    from harness.processes.ending import end_without_search
    from harness.report.inert import refusal

    end_without_search()
    try:
        app()
    except HarnessError as error:
        print(f"harness: {refusal(str(error))}", file=sys.stderr)  # noqa: T201 (the last resort writes to standard error)
        sys.exit(2)


if __name__ == "__main__":
    main()
