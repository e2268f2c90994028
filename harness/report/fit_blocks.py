"""Blocks of a plan in words."""

from collections.abc import Sequence


def paths_in_brackets(paths: Sequence[str]) -> str:
    """Return the paths of blocks in brackets: the first and the last."""
    return f" ({paths[0]})" if len(paths) == 1 else f" ({paths[0]} to {paths[-1]})"


def numbers_of(blocks: Sequence[int]) -> str:
    """Return blocks by number, counted from 1: "block 3", "blocks 3 to 12", "blocks 1, 3, 5".

    >>> numbers_of((0, 1, 2, 5))
    'blocks 1 to 3, 6'
    """
    runs: list[list[int]] = []
    for block in blocks:
        if runs and block == runs[-1][1] + 1:
            runs[-1][1] = block
        else:
            runs.append([block, block])
    said = [f"{first + 1}" if first == last else f"{first + 1} to {last + 1}" for first, last in runs]
    return f"block{'s' if len(blocks) > 1 else ''} {', '.join(said)}"
