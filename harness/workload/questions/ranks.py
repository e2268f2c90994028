"""What do ranks that train one model together send, hold and wait for?"""

from torch.optim import AdamW

from harness.record.measured import Case
from harness.workload.decay import check_groups, decay_groups
from harness.workload.head import with_head
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.questions.freezing import freeze
from harness.workload.step import Step
from harness.workload.training import LEARNING_RATE, WEIGHT_DECAY, training_step
from harness.workload.wrapping import WRAPS, wrapped

REFERENCE = "all trainable"
FROZEN = "trunk frozen"
TWO_GROUPS = "two decay groups"
ARMS = (REFERENCE, FROZEN, TWO_GROUPS)
RANKS = 2  # in bench, where no launcher says


def variant_of(wrap: str, ranks: int) -> str:
    """Return the variant of a case: ranks of another number, or wrapped otherwise, are another case.

    >>> variant_of("ddp", 2)
    'ddp-2-ranks'
    """
    return f"{wrap}-{ranks}-ranks"


def wrap_of(case: Case) -> str:
    """Return how the model of a case is wrapped.

    >>> wrap_of(Case(question="ranks", model="linear", variant="ddp-2-ranks"))
    'ddp'
    """
    return case.variant.partition("-")[0]


def _cells(entry: Entry, _every: bool) -> tuple[Cell, ...]:  # noqa: FBT001 (the protocol's flag)
    return tuple(Cell(entry, "train", variant_of(wrap, RANKS)) for wrap in WRAPS)


def _build(case: Case, arm: str, model: Model) -> Step:
    model = with_head(model)
    freeze(model, arm)
    ready = wrapped(model, wrap_of(case))
    # Now only: sharding puts other parameters into the place of the model's own.
    policy = "weights and biases" if arm == TWO_GROUPS else "one group"
    groups = decay_groups(ready.module, policy, WEIGHT_DECAY)
    check_groups(ready.module, groups)
    settings = [{"params": list(group.parameters), "weight_decay": group.weight_decay} for group in groups]
    step = training_step(ready, AdamW(settings, lr=LEARNING_RATE))
    return Step(step.parts, step.model, step.forward, step.optimizer, groups)


QUESTION = Question(
    name="ranks",
    asks="What do ranks that train one model together send, hold and wait for?",
    arms=lambda _entry: ARMS,
    cells=_cells,
    build=_build,
    columns=(
        "trainable",
        "sent",
        "all-reduced",
        "all-gathered",
        "reduce-scattered",
        "broadcast",
        "parameters",
        "gradients",
        "optimizer state",
    ),
    models=("mlp-relu",),
    ranks=RANKS,
)
