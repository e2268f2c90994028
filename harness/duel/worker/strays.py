"""Where a side's modules came from: a revision's worker must not run the code of another working tree."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def imported_from(root: str, tree: str) -> list[str]:
    """Return the modules that were imported from a folder, and not from the tree that they belong to.

    What is installed there counts for nothing: an environment may lie inside a repository.

    Args:
        root: the repository's own working tree; "" for none.
        tree: the side's working tree.
    """
    if not root:
        return []
    inside, own = os.path.join(root, ""), os.path.join(tree, "")  # noqa: PTH118 (a prefix)
    return sorted(
        name
        for name, path in _files().items()
        if path.startswith(inside)
        and not path.startswith(own)
        and "site-packages" not in Path(path).parts
        and name.partition(".")[0] != "harness"
    )


def origins(modules: Sequence[str]) -> dict[str, str]:
    """Return the file of each module that has one."""
    files = _files()
    return {name: files[name] for name in modules if name in files}


def _files() -> dict[str, str]:
    files = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            files[name] = os.path.realpath(path)
    return files
