"""The questions, one module each; a module in this folder with a `QUESTION` is one."""

import importlib
import pkgutil

from harness.workload.model import WorkloadError
from harness.workload.question import Question


def question_names() -> tuple[str, ...]:
    """Return the names of all questions."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def load_question(name: str) -> Question:
    """Return a question by its name.

    Raises:
        WorkloadError: there is none of that name.
    """
    if name not in question_names():
        raise WorkloadError(f"no question {name!r}; there are {', '.join(question_names())}")
    question = importlib.import_module(f"{__name__}.{name}").QUESTION
    if not isinstance(question, Question):
        raise TypeError(f"{name}.QUESTION is a {type(question).__name__}, not a Question")
    return question
