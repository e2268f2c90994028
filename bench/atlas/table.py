"""The atlas as a page: what was measured, what balances, what no_grad spares, and why the rest is not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.atlas.record import Atlas, Chart, Reading, Run, load_atlas
from harness.report.document import Document
from harness.report.inert import code, markdown
from harness.report.tables import environment_lines
from harness.report.text import markdown_table, markdown_text_table
from harness.report.units import quantity

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
    "charted",
    "measured",
    "balance",
    "vary",
    "open, said why",
    "no books",
    "not measured",
    "processor",
)
_LEGEND = """A row is a small model of one architecture, one forward pass in train and one in eval mode.
*saved*: bytes that the graph keeps for backward when the forward pass has returned;
*spared*: how much less is held when it has returned under `no_grad`; *books*: whether what is held is
accounted for to the byte, else the bytes that are not. *varies*: no two calls are alike, such as where layers
are dropped at random; such numbers are ranges over several calls. An architecture counts as what the worse of
its two modes is; *no books*: a mode that does not run, or does not run under `no_grad`. What is not *charted*
has not been tried yet; the same command goes on with it. *processor*: its time for all charts of a family,
on one core."""


def document(path: Path) -> Document:
    """Return the document of a file that `python -m bench.atlas` keeps.

    Raises:
        HarnessError: the file cannot be read, or holds no charts.
    """
    atlas = load_atlas(path)
    return Document(
        "the books of every architecture",
        {"markdown": lambda: in_markdown(atlas), "html": lambda: _in_html(atlas)},
        lambda: {f"{path.stem}.md": in_markdown(atlas)},
    )


def _in_html(atlas: Atlas) -> str:
    from bench.atlas.gallery import gallery  # matplotlib takes 0.8 s to import, and a table needs none

    return gallery(atlas)


def in_markdown(atlas: Atlas) -> str:
    """Return the page."""
    parts = ["# Atlas: the books of small models of every architecture", summary(atlas), _LEGEND]
    parts += [f"{family}: {_made(run)}" for family, run in atlas.runs.items()]
    families = tuple(dict.fromkeys(chart.subject.family for chart in atlas.charts))
    by_family = {
        family: [chart for chart in atlas.charts if chart.subject.family == family] for family in families
    }
    for family, charts in by_family.items():
        reasons = most_common_reasons(charts)
        if reasons:
            parts.append(f"### {family}: why {sum(count for _, count in reasons)} are not measured")
            parts.append(
                markdown_text_table(("why", "architectures"), [(why, str(count)) for why, count in reasons])
            )
    for family, charts in by_family.items():
        measured = [chart for chart in charts if chart.is_measured]
        missing = [chart for chart in charts if not chart.is_measured]
        if measured:
            parts.append(f"## {family}")
            parts.append(markdown_table(_HEADERS, [_row(chart) for chart in measured]))
        remarks = [f"- {markdown(line)}" for chart in measured for line in _remarks(chart)]
        if remarks:
            parts += [f"### {family}: what the ledger says", "\n".join(remarks)]
        if missing:
            rows = [(chart.subject.name, why_not(chart)) for chart in missing]
            parts += [f"### {family}: not measured", markdown_text_table(("architecture", "why"), rows)]
    return "\n\n".join(parts) + "\n"


def _made(run: Run) -> str:
    return "  \n".join(
        [*map(markdown, environment_lines(run.environment)), f"Measured by {code(run.command)}."]
    )


def summary(atlas: Atlas) -> str:
    """Return how many of each family were measured, and how many balance."""
    families = dict.fromkeys(chart.subject.family for chart in atlas.charts)
    return markdown_table(
        _SUMMARY,
        [
            (family, *map(str, counts(charts)), _minutes(charts))
            for family in families
            for charts in [[chart for chart in atlas.charts if chart.subject.family == family]]
        ],
    )


def _minutes(charts: Sequence[Chart]) -> str:
    """Return the processor's time for charts, where all of them tell it."""
    took = [chart.processor_s for chart in charts if chart.processor_s is not None]
    return f"{sum(took) / 60:.1f} min" if len(took) == len(charts) else "-"


def counts(charts: Sequence[Chart]) -> tuple[int, ...]:
    """Return numbers of charts: all, measured, balanced, varying, with open books, without, unmeasured."""
    states = Counter(chart.state for chart in charts if chart.is_measured)
    return (
        len(charts),
        states.total(),
        states["balance"],
        states["varies"],
        states["open"],
        states["not held against no_grad"] + states["no numbers"],
        len(charts) - states.total(),
    )


def why_not(chart: Chart) -> str:
    """Return why a chart has no numbers."""
    return chart.reason or next((reading.reason for reading in chart.readings if reading.reason), "")


def most_common_reasons(charts: Sequence[Chart]) -> list[tuple[str, int]]:
    """Return the beginnings of the reasons, up to the first colon or number, and how often each is given."""
    said = Counter(_kind(why_not(chart)) for chart in charts if not chart.is_measured)
    return said.most_common()


def _kind(reason: str) -> str:
    return "has too many parameters" if "MiB of parameters" in reason else reason.partition(":")[0]


def _row(chart: Chart) -> tuple[str, ...]:
    cells = [chart.subject.name, chart.built, quantity(chart.size, "B")]
    for reading in chart.readings:
        cells += ["-", "-", "-"] if reading.reason else [_saved(reading), _spared(reading), books(reading)]
    return tuple(cells)


def _saved(reading: Reading) -> str:
    lowest, highest = reading.varies.get("saved_bytes", (reading.saved, reading.saved))
    if lowest == highest:
        return quantity(lowest, "B")
    return f"{quantity(lowest, 'B')} to {quantity(highest, 'B')}"


def _spared(reading: Reading) -> str:
    if reading.spared is None or "retained_bytes" in reading.varies:
        return "-"  # a pass is not held against another one
    return quantity(reading.spared, "B")


def books(reading: Reading) -> str:
    """Return what a cell says of the books."""
    return f"{reading.unaccounted:+,} B" if reading.unaccounted else reading.state


def _remarks(chart: Chart) -> Iterator[str]:
    """Yield a line for every thing that is said, once where it is the same in both modes."""
    modes: dict[str, list[str]] = {}
    for reading in chart.readings:
        missing = [f"no books: {why}" for why in dict.fromkeys(reading.unavailable.values())]
        for line in [reading.reason, *missing, *reading.notes]:
            if line:
                modes.setdefault(line, []).append(reading.mode)
    for line, said in modes.items():
        yield f"{chart.subject.name}, {' and '.join(said)}: {line}"
