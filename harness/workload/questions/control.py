"""What does the instrument read where nothing differs?"""

from harness.record.measured import Case
from harness.workload.model import Model
from harness.workload.question import Cell, Question
from harness.workload.step import Part, Step


def _build(_case: Case, _arm: str, model: Model) -> Step:
    return Step((Part("forward", model.__call__),), model, model.__call__)


QUESTION = Question(
    name="control",
    asks="What does the instrument read where nothing differs?",
    arms=lambda _entry: ("a forward pass", "the same forward pass"),
    cells=lambda entry, _every: (Cell(entry, "eval"),),
    build=_build,
    columns=("peak",),
    models=("mlp-relu",),
    arms_share_model=True,
    arms_are_undone=True,
)
