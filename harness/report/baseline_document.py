"""The document of a baseline file: its values as a table."""

from pathlib import Path

from harness.record.baseline import Baseline, load_baseline
from harness.report.document import Document, one_table
from harness.report.inert import markdown
from harness.report.text import markdown_table


def document(path: Path) -> Document:
    """Return the document of a baseline file.

    Raises:
        BaselineError: the file cannot be read, or is not a baseline.
    """
    baseline = load_baseline(path)
    return one_table("a baseline", path.stem, lambda: baseline_markdown(baseline))


def baseline_markdown(baseline: Baseline) -> str:
    """Return the values of a baseline as markdown, a row a metric; bytes and counts have no units there."""
    rows = [
        (case, arm, metric, f"{value:,}")
        for (case, arm), values in sorted(baseline.values.items())
        for metric, value in sorted(values.items())
    ]
    packages = ", ".join(f"{name} {version}" for name, version in sorted(baseline.packages.items()))
    title = f"# Exact values of {markdown(baseline.key.name)}"
    lines = [title, "", *([markdown(packages), ""] if packages else [])]
    return "\n".join([*lines, markdown_table(("case", "arm", "metric", "value"), rows), ""])
