"""What the numbers say of the harness against the other tools, both ways. Pure; imports no torch."""

from collections.abc import Callable, Sequence

from bench.peers.figures import MemoryFigures, TimingFigures
from bench.peers.record import COPIES, OBJECT
from harness.report.units import quantity


def share_percent(value: float) -> str:
    """Return a fraction in percent, to three significant digits.

    >>> share_percent(0.0012), percent(0.0485), percent(4789.5)
    ('0.12 %', '4.85 %', '478,950 %')
    """
    number = 100 * value
    return f"{number:,.0f} %" if abs(number) >= 1000 else f"{number:.3g} %"  # noqa: PLR2004 (no exponents)


def signed(value: float) -> str:
    """Return an error in percent, with its sign unless it is 0.

    >>> signed(0.165), signed(-1.0), signed(0.0)
    ('+16.5 %', '-100 %', '0 %')
    """
    return ("+" if value > 0 else "") + share_percent(value)


def timing_findings(figures: Sequence[TimingFigures]) -> list[str]:
    """Say how much finer or coarser the harness is, and where a peer does better."""
    peers = [figure for figure in figures if not figure.is_harness and len(figure.row.trials) > 1]
    lines = []
    for own in figures:
        # What one object on both sides resolves does not answer for two copies.
        others = [peer for peer in peers if own.row.sides == OBJECT or peer.row.sides != OBJECT]
        if own.is_harness and others and len(own.row.trials) > 1:
            lines.append(_against(own, sorted(others, key=lambda peer: peer.resolution.smallest)))
    return lines + [line for peer in peers for line in _better_at_timing(peer, figures)]


def _against(own: TimingFigures, others: Sequence[TimingFigures]) -> str:
    ends = (others[0], others[-1]) if len(others) > 1 else (others[0],)
    resolved = " to ".join(
        f"{share_percent(peer.resolution.smallest)} ({peer.name}, {peer.row.sides})" for peer in ends
    )
    times = " to ".join(f"{peer.resolution.smallest / own.resolution.smallest:.3g}" for peer in ends)
    return (
        f"On {own.row.sides} the harness resolves {share_percent(own.resolution.smallest)};"
        f" the other tools {resolved}: {times} times as much."
    )


def _better_at_timing(peer: TimingFigures, figures: Sequence[TimingFigures]) -> list[str]:
    own = _counterpart(peer, figures)
    if own is None or len(own.row.trials) < 2:  # noqa: PLR2004 (one has no spread)
        return []
    columns: tuple[tuple[str, Callable[[TimingFigures], float], Callable[[float], str]], ...] = (
        ("resolves a smaller difference", lambda row: row.resolution.smallest, share_percent),
        ("takes less time in all", lambda row: row.all_in_s, _seconds),
        ("gave false alarms less often", lambda row: row.alarm_rate, share_percent),
    )
    return [
        f"Better than the harness: {peer.name} ({peer.row.sides}) {what}, {show(value(peer))} against"
        f" {show(value(own))} ({own.row.sides})."
        for what, value, show in columns
        if value(peer) < value(own)
    ]


def _counterpart(peer: TimingFigures, figures: Sequence[TimingFigures]) -> TimingFigures | None:
    """Return the harness's row of the same sides; runs of processes have memory of their own, as copies."""
    own = {figure.row.sides: figure for figure in figures if figure.is_harness}
    return own.get(OBJECT if peer.row.sides == OBJECT else COPIES)


def memory_findings(figures: Sequence[MemoryFigures]) -> list[str]:
    """Say whose bytes are exact, and where a peer does better."""
    if not figures:
        return []
    sizes = list(dict.fromkeys(figure.row.batch_size for figure in figures))
    exact = {
        figure.row.tool
        for figure in figures
        if all(other.is_exact for other in figures if other.row.tool == figure.row.tool)
    }
    others = [figure.row.tool for figure in figures if figure.row.tool not in exact]
    named = ", ".join(dict.fromkeys(figure.row.tool for figure in figures if figure.row.tool in exact))
    rest = ", ".join(dict.fromkeys(others))
    lines = [f"Exact in every reading at every size: {named or 'no tool'}; not so: {rest or 'none'}."]
    for size in sizes:
        own = [figure for figure in figures if figure.is_harness and figure.row.batch_size == size]
        peers = [figure for figure in figures if not figure.is_harness and figure.row.batch_size == size]
        lines += [line for peer in peers for line in _better_at_memory(peer, own)]
    return lines


def _better_at_memory(peer: MemoryFigures, own: Sequence[MemoryFigures]) -> list[str]:
    lines = []
    for figure in own:
        start = f"Better than the harness: {peer.row.tool} at batch {peer.row.batch_size:,}"
        if abs(peer.best_error) < abs(figure.best_error):
            lines.append(
                f"{start} is nearer to the exact bytes, {signed(peer.best_error)} against"
                f" {signed(figure.best_error)}."
            )
        if peer.seconds < figure.seconds:
            lines.append(
                f"{start} takes less time a reading, {_seconds(peer.seconds)} against"
                f" {_seconds(figure.seconds)}."
            )
    return lines


def _seconds(value: float) -> str:
    return quantity(value, "s")
