"""A search for a step that fits as one self-contained HTML page; all text is escaped."""

from markupsafe import Markup

from harness.record.fit import FitSearch
from harness.report.fit import answer, closing, cost, legend, levers_in_words, mark, more_sentences
from harness.report.fit_plot import frontier_plot
from harness.report.html import render
from harness.report.units import quantity


def fit_page(search: FitSearch) -> str:
    """Return the page, which fetches nothing."""
    ran = sorted(search.trials, key=lambda trial: -(trial.peak or 0))
    values = {
        "target": search.target,
        "answer": answer(search),
        "fails": search.limit is not None and search.plan is None,
        "sentences": more_sentences(search),
        "plot": Markup(frontier_plot(search)),  # noqa: S704 (made here)
        "rows": [
            {
                "mark": mark(trial, search),
                "levers": levers_in_words(trial.candidate, search),
                "total": "-" if trial.peak is None else quantity(trial.peak, "B"),
                "bytes": "" if trial.peak is None else f"{trial.peak:,} B",
                "step": cost(trial),
                "expected": "-" if trial.error is None else f"{trial.error:+.2%}",
                "reason": trial.reason or trial.timing,
            }
            for trial in ran
        ],
        "weights": [(one.name, quantity(one.bytes, "B")) for one in search.weights],
        "lines": "\n".join(search.lines),
        "notes": search.notes,
        "blocks": search.blocks,
        "closing": f"{closing(search)} {' '.join(legend(search))}",
    }
    return render("fit.html", values)
