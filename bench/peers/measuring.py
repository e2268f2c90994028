"""The comparison itself: every tool in turns, each trial timed all in, each failure kept as a reason."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from bench.peers.memory_worker import Read
from bench.peers.record import MemoryRow, TimingRow, TimingTrial
from bench.peers.tool import MemoryPeer, PeerError, StatisticOutcome, TimingPeer, run, version_of
from bench.peers.work import forward, peak_by_hand


def turns(counts: Sequence[int]) -> list[int]:
    """Return who goes when, each as often as its count and all spread evenly over the whole.

    A slow drift of the machine reaches all alike then.

    >>> turns([4, 2])
    [0, 1, 0, 0, 1, 0]
    """
    slots = [((number + 0.5) / count, who) for who, count in enumerate(counts) for number in range(count)]
    return [who for _, who in sorted(slots)]


@dataclass(slots=True)
class _Progress:
    """What one timing tool has given so far."""

    version: str = ""
    reason: str = ""
    outcomes: list[tuple[tuple[StatisticOutcome, ...], float]] = field(default_factory=list)


def time_peers(
    peers: Sequence[TimingPeer], seconds: float, trials: int, step: Callable[[], None]
) -> tuple[TimingRow, ...]:
    """Compare the work with itself under every tool; an interrupt ends it, and what was finished is returned.

    Args:
        peers: the tools.
        seconds: of timing for a comparison, both sides together.
        trials: comparisons of each; 0 for each tool's own number.
        step: called after each.
    """
    progress = [_Progress() for _ in peers]
    for peer, so_far in zip(peers, progress, strict=True):
        _installed(peer, so_far)
    with suppress(KeyboardInterrupt):
        for number, who in enumerate(turns([trials or peer.trials for peer in peers])):
            if not progress[who].reason:
                _try(peers[who], progress[who], seconds, number)
            step()
    return tuple(
        TimingRow(
            tool=peer.tool,
            version=so_far.version,
            sides=peer.sides,
            statistic=statistic,
            rule=rule,
            trials=tuple(
                TimingTrial(outcomes[index].log_ratio, outcomes[index].alarm, outcomes[index].timed_s, took)
                for outcomes, took in so_far.outcomes
            ),
            reason=so_far.reason,
        )
        for peer, so_far in zip(peers, progress, strict=True)
        for index, (statistic, rule) in enumerate(peer.rules)
    )


def _installed(peer: TimingPeer, so_far: _Progress) -> None:
    try:
        so_far.version = f"{peer.distribution} {version_of(peer.distribution)}"
    except PeerError as error:
        so_far.reason = str(error)


def _try(peer: TimingPeer, so_far: _Progress, seconds: float, seed: int) -> None:
    start = time.perf_counter()
    try:
        outcomes = peer.compare(seconds, seed)
    except PeerError as error:
        so_far.reason = str(error)
        return
    so_far.outcomes.append((outcomes, time.perf_counter() - start))


def read_peers(
    peers: Sequence[MemoryPeer], batch_sizes: Sequence[int], readings: int, step: Callable[[], None]
) -> tuple[MemoryRow, ...]:
    """Read the peak of the work with every tool, each size in a fresh process of its own."""
    rows = []
    with suppress(KeyboardInterrupt):
        for batch_size in batch_sizes:
            exact = peak_by_hand(forward(batch_size), batch_size)
            for peer in peers:
                rows.append(_read(peer, batch_size, readings, exact))
                step()
    return tuple(rows)


def _read(peer: MemoryPeer, batch_size: int, readings: int, exact: int) -> MemoryRow:
    version, reason, reading = "", "", Read(exact, ())
    try:
        version = f"{peer.distribution} {version_of(peer.distribution)}"
        command = [sys.executable, "-m", "bench.peers.memory_worker", peer.module]
        done = run([*command, str(batch_size), str(readings)])
        reading = msgspec.json.decode(done.stdout.splitlines()[-1], type=Read)
    except PeerError as error:
        reason = str(error)
    return MemoryRow(
        tool=peer.tool,
        version=version,
        batch_size=batch_size,
        exact=reading.exact,
        formula=peer.formula,
        readings=reading.readings,
        reason=reason,
    )
