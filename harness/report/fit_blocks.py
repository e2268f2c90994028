"""Blocks of a plan in words."""

from collections.abc import Sequence

from harness.report.text import ranges


def paths_in_brackets(paths: Sequence[str]) -> str:
    """Return the paths of blocks in brackets: the first and the last."""
    return f" ({paths[0]})" if len(paths) == 1 else f" ({paths[0]} to {paths[-1]})"


def numbers_of(blocks: Sequence[int]) -> str:
    """Return blocks by number, counted from 1: "block 3", "blocks 3 to 12", "blocks 1, 3, 5".

    >>> numbers_of((0, 1, 2, 5))
    'blocks 1 to 3, 6'
    """
    return f"block{'s' if len(blocks) > 1 else ''} {ranges(block + 1 for block in blocks)}"
