"""The atlas as a page: what was measured, what balances, what no_grad spares, and why the rest is not."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.atlas.record import Atlas, Chart, Reading
from harness.record.measured import Block
from harness.report.tables import environment_lines, github
from harness.report.units import markdown, quantity

_HEADERS = (
    "architecture",
    "class",
    "parameters",
    "saved, train",
    "spared",
    "books",
    "saved, eval",
    "spared",
    "books",
)
_SUMMARY = (
    "",
    "architectures",
    "measured",
    "balanced in both modes",
    "open books",
    "no number in a mode",
    "not measured",
)
_LEGEND = """*saved*: bytes that the graph keeps for backward when the forward pass has returned;
*spared*: how much less is held when it has returned under `no_grad`; *books*: whether what is held is
accounted for to the byte, else the bytes that are not."""


def in_markdown(atlas: Atlas) -> str:
    """Return the page."""
    where = "  \n".join(
        [*map(markdown, environment_lines(atlas.environment)), f"Measured by `{markdown(atlas.command)}`."]
    )
    families = tuple(dict.fromkeys(chart.subject.family for chart in atlas.charts))
    parts = ["# Atlas: the books of small models of every architecture", where, summary(atlas), _LEGEND]
    for family in families:
        charts = [chart for chart in atlas.charts if chart.subject.family == family]
        measured = [chart for chart in charts if chart.is_measured]
        missing = [chart for chart in charts if not chart.is_measured]
        parts.append(f"## {family}")
        if measured:
            parts.append(github(_HEADERS, [_row(chart) for chart in measured]))
        remarks = [f"- {markdown(line)}" for chart in measured for line in _remarks(chart)]
        if remarks:
            parts += [f"### {family}: open books, and modes without numbers", "\n".join(remarks)]
        if missing:
            rows = [(chart.subject.name, why_not(chart)) for chart in missing]
            parts += [f"### {family}: not measured", github(("architecture", "why"), rows)]
    return "\n\n".join(parts) + "\n"


def summary(atlas: Atlas) -> str:
    """Return how many of each family were measured, and how many balance."""
    families = dict.fromkeys(chart.subject.family for chart in atlas.charts)
    return github(
        _SUMMARY,
        [
            (family, *map(str, counts([chart for chart in atlas.charts if chart.subject.family == family])))
            for family in families
        ],
    )


def counts(charts: Sequence[Chart]) -> tuple[int, ...]:
    """Return numbers of charts: all, measured, balanced, with open books, without a mode, unmeasured."""
    measured = [chart for chart in charts if chart.is_measured]
    return (
        len(charts),
        len(measured),
        sum(chart.is_balanced for chart in measured),
        sum(any(reading.unaccounted for reading in chart.readings) for chart in measured),
        sum(any(reading.reason for reading in chart.readings) for chart in measured),
        len(charts) - len(measured),
    )


def why_not(chart: Chart) -> str:
    """Return why a chart has no numbers."""
    return chart.reason or next((reading.reason for reading in chart.readings if reading.reason), "")


def most_common_reasons(charts: Sequence[Chart]) -> list[tuple[str, int]]:
    """Return the beginnings of the reasons, up to the first colon, and how often each is given."""
    said = Counter(why_not(chart).partition(":")[0] for chart in charts if not chart.is_measured)
    return said.most_common()


def _row(chart: Chart) -> tuple[str, ...]:
    cells = [chart.subject.name, chart.built, quantity(chart.size, "B")]
    for reading in chart.readings:
        cells += (
            ["-", "-", "-"]
            if reading.reason
            else [quantity(reading.saved, "B"), quantity(reading.spared, "B"), _books(reading)]
        )
    return tuple(cells)


def _books(reading: Reading) -> str:
    return "balance" if not reading.unaccounted else f"{reading.unaccounted:+,} B"


def _remarks(chart: Chart) -> Iterator[str]:
    for reading in chart.readings:
        who = f"{chart.subject.name}, {reading.mode}"
        if reading.reason:
            yield f"{who}: {reading.reason}"
        elif reading.unaccounted:
            blocks = "; ".join(map(_block, reading.blocks))
            yield f"{who}: {reading.unaccounted:+,} B" + (f"; held: {blocks}" if blocks else "")
        yield from (f"{who}: {note}" for note in reading.notes)


def _block(block: Block) -> str:
    operator, module = block.operator or "no operator", block.module or "the model itself"
    return f"{block.bytes:,} B of {operator} in {module}"
