"""What only a fresh interpreter can answer."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def printed_anew(script: str) -> str:
    """Return what a script prints in an interpreter that has loaded nothing and has no other variables."""
    run = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    return run.stdout.strip()
