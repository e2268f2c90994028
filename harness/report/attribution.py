"""Where the memory goes, in words: a sentence, and a tree whose numbers add up to the byte."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.record.names import NODES, PEAK, RETAINED, SAVED
from harness.record.schema import ArmResult, Attribution, Record, Run, Share
from harness.record.spared import why_nothing_is_spared
from harness.report.text import percent, ranges
from harness.report.units import quantity

_TOP = 5  # contributors shown of a category; the others are one line
_NAMED = 3  # contributors that the sentence names at most
_WORTH_NAMING = 0.1  # of the whole, at least


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree: a category, or a contributor inside one."""

    name: str
    bytes: int
    share: float  # of the whole
    leaves: tuple["Branch", ...] = ()


def block_of(path: str) -> tuple[str, int | None]:
    """Return a module's path up to its first number, and the number: which of alike blocks it is in.

    A number at the very front, before a name and another number, is part of the path.

    >>> block_of("transformer.h.3.mlp.act"), block_of("classifier")
    (('transformer.h', 3), ('classifier', None))
    """
    match = re.match(r"(?:((?:\d+\.)?\D.*?)\.)?(\d+)(?:\.|$)", path)
    if match is None:
        return path, None
    return match.group(1) or "", int(match.group(2))


def contributors(shares: Sequence[Share]) -> tuple[tuple[str, int], ...]:
    """Return alike modules of alike blocks together, with their bytes, largest first."""
    grouped: dict[tuple[str, str], list[Share]] = defaultdict(list)
    for share in shares:
        # A temporary belongs to its operator, and so does what no module inside the model holds.
        what = share.operator if share.category == "temporaries" or not share.module else share.kind
        grouped[what or share.kind, _inner(block_of(share.module)[0])].append(share)
    named = [
        (f"{what or 'bytes'} in {place}" if place else what or "bytes", size)
        for (what, _), members in grouped.items()
        for place, size in _places(members)
    ]
    return tuple(sorted(named, key=lambda one: -one[1]))


def _inner(prefix: str) -> str:
    """Return a block's path without a number at its very front: in a `Sequential`, blocks differ in that."""
    return re.sub(r"^\d+\.", "", prefix)


def _places(members: Sequence[Share]) -> Iterator[tuple[str, int]]:
    """Yield where shares of one kind are, in words, and their bytes; "" for the model itself.

    Blocks that differ in the number at the front alone, and hold shares at the same numbers inside, are one.
    """
    by_prefix: dict[str, list[Share]] = defaultdict(list)
    for share in members:
        by_prefix[block_of(share.module)[0]].append(share)
    numbers = {prefix: _numbers(shares) for prefix, shares in by_prefix.items()}
    inner = _inner(next(iter(by_prefix)))
    if len(by_prefix) > 1 and inner not in by_prefix and len(set(numbers.values())) == 1:
        outer = ranges(int(prefix.partition(".")[0]) for prefix in by_prefix)
        inside = " ".join(filter(None, (inner, next(iter(numbers.values())))))
        yield f"{inside} of {outer}", sum(share.bytes for share in members)
        return
    for prefix, shares in by_prefix.items():
        name = prefix or ("submodule" if numbers[prefix] else "")
        yield " ".join(filter(None, (name, numbers[prefix]))), sum(share.bytes for share in shares)


def _numbers(shares: Sequence[Share]) -> str:
    """Return which of alike blocks hold these shares, as ranges."""
    return ranges(number for share in shares if (number := block_of(share.module)[1]) is not None)


def tree(attribution: Attribution) -> tuple[Branch, ...]:
    """Return the categories at the peak with their largest contributors; all bytes are in it once."""
    categories: dict[str, list[Share]] = defaultdict(list)
    for share in attribution.shares:
        categories[share.category].append(share)
    branches = []
    for name, shares in categories.items():
        size = sum(share.bytes for share in shares)
        named = contributors(shares)
        leaves = [Branch(text, part, part / attribution.peak) for text, part in named[:_TOP]]
        rest = named[_TOP:]
        if rest:
            others = sum(part for _, part in rest)
            leaves.append(Branch(f"{len(rest)} more", others, others / attribution.peak))
        branches.append(Branch(name, size, size / attribution.peak, tuple(leaves)))
    return tuple(sorted(branches, key=lambda branch: -branch.bytes))


def tree_lines(attribution: Attribution, width: int = 80) -> tuple[str, ...]:
    """Return the tree as text, a line a branch, with exact bytes."""
    above = quantity(attribution.above_start, "B")
    lines = [f"peak {attribution.peak:,} B in the {attribution.part} part, {above} above the step's start"]
    for branch in tree(attribution):
        lines.append(_line(branch, "  ", width))
        lines.extend(_line(leaf, "    ", width) for leaf in branch.leaves)
    return tuple(lines)


def _line(branch: Branch, indent: str, width: int) -> str:
    number = f"{branch.bytes:,} B {branch.share:6.1%}"
    room = width - len(indent) - len(number) - 1
    name = branch.name if len(branch.name) <= room else branch.name[: room - 3] + "..."
    return f"{indent}{name:<{room}} {number}"


def memory_sentence(record: Record) -> str:
    """Return what `no_grad` spares in one sentence, or "" where the record does not tell.

    `no_grad saves 412 MiB of what a pass holds, and lowers its peak by 398 MiB: of what is saved for
    backward, 71 % is GELU in blocks 0 to 11`
    """
    reference, quiet = record.arm(record.reference), record.arm("no_grad")
    if reference is None or quiet is None or {reference.status, quiet.status} != {"ok"}:
        return ""
    held, peak = (_difference(reference, quiet, name) for name in (RETAINED, PEAK))
    if held is None or peak is None:
        return ""
    lowered = f"lowers its peak by {quantity(peak, 'B')}" if peak > 0 else "does not lower its peak"
    if held <= 0:
        why = why_nothing_is_spared(
            reference.counts.get(NODES, 0), reference.counts.get(SAVED, 0), quiet.counts.get(NODES, 0)
        )
        return f"no_grad saves nothing of what a pass holds, and {lowered}: {why}"
    text = f"no_grad saves {quantity(held, 'B')} of what a pass holds, and {lowered}"
    total = sum(share.bytes for share in reference.saved)
    if not total:
        return text
    named = contributors(reference.saved)
    told = [f"{percent(named[0][1] / total)} is {named[0][0]}"]
    told += [
        f"{percent(part / total)} {text}" for text, part in named[1:_NAMED] if part / total >= _WORTH_NAMING
    ]
    return f"{text}: of what is saved for backward, {', '.join(told)}"


def _difference(reference: ArmResult, arm: ArmResult, name: str) -> int | None:
    """Return by how much an arm has less of a metric than its reference; None where one has no one value."""
    if name not in reference.counts or name not in arm.counts:
        return None
    return reference.counts[name] - arm.counts[name]


def memory_sentences(run: Run) -> tuple[str, ...]:
    """Return the sentence of every record that has one, with the setting it holds for."""
    told = [(memory_sentence(record), record.case) for record in run.records]
    several = len({record.case.model for record in run.records}) > 1
    return tuple(
        f"{f'{case.model}: ' if several else ''}{text} ({case.mode}, batch {case.batch_size})"
        for text, case in told
        if text
    )
