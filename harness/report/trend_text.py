"""A history in words and as data: the runs, where the environment changed, and every change."""

import msgspec

from harness.judge.trend import SHIFT, TREND_ALPHA, Change, MetricHistory, Trend
from harness.report.inert import visible
from harness.report.units import whole

_RULE = (
    "An exact value changed where it differs from the run before. A time changed where a rank test"
    f" divides the runs of one machine at {TREND_ALPHA:.0%} over all series and the medians differ by more"
    f" than {SHIFT:.0%}; times of different runs are not paired."
)


def trend_text(trend: Trend) -> str:
    """Return a history as plain text, the latest change first."""
    changed = trend.changed
    first, last = trend.points[0], trend.points[-1]
    counted = f"{len(changed):,} of {len(trend.series):,} series changed over {len(trend.points):,} runs"
    lines = [f"{counted}, {first.started} to {last.started}", _RULE]
    lines += [
        f"environment: {point.started} {point.id}: {', '.join(point.differs)}"
        for point in trend.points
        if point.differs
    ]
    for series in changed:
        lines.append(f"{series.case}: {series.arm}: {series.metric} ({series.meaning or 'parameters'})")
        lines += [f"  {_said(series, change, trend)}" for change in series.changes]
    return "\n".join(_indented(line) for line in lines) + "\n"


def _indented(line: str) -> str:
    return ("  " if line.startswith("  ") else "") + visible(line)


def _said(series: MetricHistory, change: Change, trend: Trend) -> str:
    point = trend.points[change.run]
    share = f" ({change.after / change.before - 1:+.1%})" if change.before > 0 else ""
    sure = "" if change.p is None else f", p {change.p:.1g}"
    along = f"; with it {', '.join(change.differs)}" if change.differs else ""
    values = f"{whole(change.before, series.unit)} -> {whole(change.after, series.unit)}"
    return f"{point.started} {point.id}: {values}{share}{sure}{along}"


def trend_json(trend: Trend) -> str:
    """Return a history as JSON: all runs, and every series with its values."""
    return msgspec.json.format(msgspec.json.encode(trend), indent=2).decode() + "\n"
