"""A search for a step that fits as one self-contained HTML page; all text is escaped."""

from markupsafe import Markup

from harness.record.fit import Search
from harness.report.fit import answer, closing, cost, in_words, mark, more_sentences
from harness.report.fit_plot import frontier_plot
from harness.report.html import render
from harness.report.units import quantity


def fit_page(found: Search) -> str:
    """Return the page, which fetches nothing."""
    ran = sorted(found.trials, key=lambda trial: -(trial.peak or 0))
    values = {
        "target": found.target,
        "answer": answer(found),
        "fails": found.limit is not None and found.plan is None,
        "sentences": more_sentences(found),
        "plot": Markup(frontier_plot(found)),  # noqa: S704 (made here)
        "rows": [
            {
                "mark": mark(trial, found),
                "levers": in_words(trial.candidate, found),
                "total": "-" if trial.peak is None else quantity(trial.peak, "B"),
                "bytes": "" if trial.peak is None else f"{trial.peak:,} B",
                "step": cost(trial),
                "expected": "-" if trial.error is None else f"{trial.error:+.2%}",
                "reason": trial.reason or trial.timing,
            }
            for trial in ran
        ],
        "weights": [(one.name, quantity(one.bytes, "B")) for one in found.weights],
        "lines": "\n".join(found.lines),
        "notes": found.notes,
        "blocks": found.blocks,
        "closing": closing(found),
    }
    return render("fit.html", values)
