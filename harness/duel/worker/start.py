"""What a side's interpreter runs once ASLR is off: a script that any Python 3.6 can read.

It finds out whether a worker can run there, and says in one line why not. The harness that runs is
the referee's, on both sides, and nothing else that lies beside it can be imported.
"""

import importlib
import importlib.util
import json
import mmap
import os
import sys

OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 0)


def main() -> None:
    """Serve the referee on two pipes.

    Arguments of the script: the pipes to read and to write, the referee's process id, "spawn" or
    "fork", the number of threads, a seed, and 1 if ASLR is off.
    """
    reads, writes, parent = (int(text) for text in sys.argv[1:4])
    with moved_down(int(sys.argv[6])):
        serve(reads, writes, parent)


def serve(reads: int, writes: int, parent: int) -> None:
    """Become a worker, or say why this interpreter cannot be one."""
    answer = os.fdopen(writes, "wb")
    # Python has put this script's folder on the path, whose modules have everyday names.
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (strings, as on the path)
    sys.path[:] = [item for item in sys.path if os.path.abspath(item or ".") != here]  # noqa: PTH100
    reason = obstacle()
    if reason:
        answer.write(json.dumps({"refused": reason}).encode() + b"\n")
        answer.flush()
        sys.exit(1)
    load_harness(os.path.dirname(os.path.dirname(here)))  # noqa: PTH120
    importlib.import_module("harness.processes.lifeline").die_with(parent)
    worker = importlib.import_module("harness.duel.worker.serving")
    worker.run(
        os.fdopen(reads, "rb"),
        answer,
        method=sys.argv[4],
        threads=int(sys.argv[5]),
        aslr_off=sys.argv[7] == "1",
    )


def moved_down(seed: int) -> mmap.mmap:
    """Hold addresses, so that everything that is mapped from now on lies elsewhere; they take no memory."""
    pages = 1 + (seed >> 16)  # of 32 bits; at most 256 MiB
    return mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


def obstacle() -> str:
    """Return why no worker can run in this interpreter; "" where one can."""
    version_here = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        return f"it is Python {version_here}; Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed"
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return (
                f"it has no torch (Python {version_here}); install torch there, or name another interpreter"
            )
        return f"its torch cannot be imported: {error_line(error)}"
    except Exception as error:  # noqa: BLE001 (whatever a broken installation raises)
        return f"its torch cannot be imported: {error_line(error)}"
    version = str(getattr(torch, "__version__", "0"))
    if (
        tuple(int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:2] if part.isdigit())
        < OLDEST_TORCH
    ):
        return f"it has torch {version}; torch {OLDEST_TORCH[0]}.{OLDEST_TORCH[1]} or newer is needed"
    return ""


def error_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def load_harness(package: str) -> None:
    """Import the harness that lies in a folder, and leave its neighbours where they are.

    Beside an installed harness lie the referee's own packages, its torch among them, so the folder
    around it is not put on the path.
    """
    spec = importlib.util.spec_from_file_location(
        "harness",
        os.path.join(package, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[package],
    )
    if spec is None or spec.loader is None:
        raise ImportError(package)
    sys.modules["harness"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["harness"])


if __name__ == "__main__":
    main()
