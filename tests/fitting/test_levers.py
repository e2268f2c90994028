"""Levers: those that claim to change nothing leave the same bits, and every one can be undone."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from harness.fitting.levers.checkpointing import Checkpointing
from harness.fitting.levers.freezing import Freezing, all_but_biases, first_blocks
from harness.fitting.levers.lever import Lever, LeverError, TrainingSetup, apply_all
from harness.fitting.levers.micro_batches import MicroBatches
from harness.fitting.levers.precision import Precision
from harness.fitting.levers.updating import Implementation, InBackward, OptimizerKind, optimizer_of


class Net(nn.Module):
    """Three blocks with dropout, and a head."""

    def __init__(self, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 8), norm(), nn.GELU(), nn.Dropout(0.5)) for _ in range(3)
        )
        self.head = nn.Linear(8, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            rows = rows + block(rows)
        logits: torch.Tensor = self.head(rows)
        return logits


def training(
    norm: Callable[[], nn.Module] = lambda: nn.LayerNorm(8), optimizer: str = "AdamW"
) -> TrainingSetup:
    torch.manual_seed(0)
    module = Net(norm)
    return TrainingSetup(
        module, optimizer_of(optimizer, list(module.parameters()), lr=1e-2, weight_decay=0.1)
    )


def trained(made: TrainingSetup, *levers: Lever, steps: int = 3) -> dict[str, torch.Tensor]:
    """Train for some steps; return weights, buffers and the state of the random numbers."""
    apply_all(levers, made)
    torch.manual_seed(1)
    rows = torch.randn(4, 8)
    for _ in range(steps):
        made.module(rows).square().mean().backward()
        made.optimizer.step()
        made.optimizer.zero_grad()
    left = {name: tensor.detach() for name, tensor in made.module.state_dict().items()}
    return {**left, "random": torch.get_rng_state()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []


PATHS = ("blocks.0", "blocks.1", "blocks.2")


@pytest.mark.parametrize(
    "levers",
    [
        (Checkpointing(PATHS),),
        (Checkpointing(("blocks.1",)),),
        (InBackward(),),
        (Implementation("for-loop"),),
        (Checkpointing(PATHS), InBackward()),
    ],
    ids=["every block", "one block", "in backward", "for-loop", "both"],
)
@pytest.mark.parametrize("optimizer", ["AdamW", "SGD with momentum", "SGD"])
def test_what_claims_to_change_nothing_leaves_the_same_bits_dropout_included(
    levers: tuple[Lever, ...], optimizer: str
) -> None:
    assert_equal(trained(training(optimizer=optimizer), *levers), trained(training(optimizer=optimizer)))


def test_dropout_does_leave_other_bits_where_its_random_numbers_are_others() -> None:
    one, other = trained(training()), trained(training())
    torch.manual_seed(5)
    assert_equal(one, other)
    assert not torch.equal(trained(training(), steps=2)["head.weight"], one["head.weight"])


@pytest.mark.parametrize("name", ["foreach", "fused"])
def test_another_implementation_leaves_the_same_weights_up_to_rounding(name: str) -> None:
    one, other = trained(training()), trained(training(), Implementation(name))

    for key, tensor in one.items():
        torch.testing.assert_close(other[key], tensor, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_does_not_count_a_batch_twice_in_running_statistics() -> None:
    def norm() -> nn.Module:
        return nn.BatchNorm1d(8)

    left = trained(training(norm), Checkpointing(PATHS, normalises=True))

    assert_equal(left, trained(training(norm)))
    assert int(left["blocks.0.1.num_batches_tracked"]) == 3


def test_a_checkpoint_does_not_count_a_batch_twice_in_those_of_instances() -> None:
    def norm() -> nn.Module:
        return nn.InstanceNorm1d(4, track_running_stats=True)

    left = trained(training(norm), Checkpointing(PATHS, normalises=True))

    assert_equal(left, trained(training(norm)))


EVERY = [
    Freezing(frozenset({"head.weight"}), "head.weight"),
    Checkpointing(PATHS),
    MicroBatches(2),
    Implementation("foreach"),
    InBackward(),
    OptimizerKind("SGD"),
    Precision("bfloat16"),
    Precision("autocast"),
]


@pytest.mark.parametrize("lever", EVERY, ids=lambda lever: type(lever).__name__)
def test_undo_puts_every_byte_back(lever: Lever) -> None:
    made = training()
    trained(made, steps=2)
    made.module(torch.randn(4, 8)).sum().backward()  # gradients and state are there
    before = _everything(made)

    undo = apply_all((lever,), made)
    undo()

    after = _everything(made)
    assert before.keys() == after.keys()
    for name, value in before.items():
        same = torch.equal(value, after[name]) if isinstance(value, torch.Tensor) else value == after[name]
        assert same, name


def _everything(made: TrainingSetup) -> dict[str, object]:
    state: dict[str, object] = {}
    for name, parameter in made.module.named_parameters():
        state[name] = parameter.detach().clone()
        state[f"{name} trains"] = parameter.requires_grad
        state[f"{name} at"] = parameter.data_ptr()
        assert parameter.grad is not None
        state[f"{name} gradient"] = parameter.grad.clone()
        hooks = getattr(parameter, "_post_accumulate_grad_hooks", None)
        state[f"{name} hooks"] = len(hooks or ())
        for key, value in made.optimizer.state[parameter].items():
            state[f"{name} {key}"] = value.clone()
    state["groups"] = [
        {key: value for key, value in group.items() if key != "params"}
        for group in made.optimizer.param_groups
    ]
    state["optimizer"] = id(made.optimizer)
    state["autocast"] = made.autocast
    state["micro-batches"] = made.micro_batches
    state["wrapped"] = [path for path, child in made.module.named_modules() if "forward" in vars(child)]
    state["random"] = torch.get_rng_state()
    return state


def test_where_a_lever_refuses_those_before_it_are_undone() -> None:
    made = training(lambda: nn.BatchNorm1d(8))

    with pytest.raises(LeverError, match="BatchNorm in train mode"):
        apply_all((Checkpointing(PATHS), MicroBatches(2)), made)

    assert "forward" not in vars(made.module.get_submodule("blocks.0"))


def test_micro_batches_run_with_batch_norm_where_that_is_allowed() -> None:
    made = training(lambda: nn.BatchNorm1d(8))

    apply_all((MicroBatches(2, with_batch_norm=True),), made)

    assert made.micro_batches == 2


def test_micro_batches_run_with_batch_norm_in_eval_mode() -> None:
    made = training(lambda: nn.BatchNorm1d(8))
    made.module.eval()

    apply_all((MicroBatches(2),), made)

    assert made.micro_batches == 2


def test_freezing_everything_is_refused() -> None:
    made = training()
    names = frozenset(name for name, _ in made.module.named_parameters())

    with pytest.raises(LeverError, match="nothing is left to train"):
        apply_all((Freezing(names, "all"),), made)


def test_the_lines_that_freeze_name_whole_modules() -> None:
    module = training().module
    names = frozenset(name for name, _ in module.named_parameters() if name.startswith("blocks.0."))

    lever = first_blocks(names, 1, PATHS, module)

    assert lever.lines[1] == "    if name.startswith(('blocks.0.',)):"
    assert lever.gives_up == "block 1 (blocks.0) and all that runs before not trained"


def test_a_name_that_begins_anothers_is_listed_in_full() -> None:
    module = nn.Module()
    module.weight = nn.Parameter(torch.zeros(1))
    module.weights = nn.Parameter(torch.zeros(1))

    lever = first_blocks(frozenset({"weight"}), 1, ("a",), module)

    assert lever.lines[1] == "    if name in {'weight'}:"


def test_all_but_biases_are_frozen() -> None:
    made = training()

    apply_all((all_but_biases(made.module),), made)

    trains = {name for name, p in made.module.named_parameters() if p.requires_grad}
    assert all(name.endswith("bias") for name in trains)
    assert len(trains) == 7


def test_another_optimizer_keeps_the_rates_and_decays_of_parameter_groups() -> None:
    module = nn.Linear(4, 4)
    groups = [{"params": [module.weight], "lr": 0.5}, {"params": [module.bias], "weight_decay": 0.0}]
    made = TrainingSetup(module, torch.optim.AdamW(groups, lr=0.1, weight_decay=0.2))

    apply_all((OptimizerKind("SGD"),), made)

    assert [(group["lr"], group["weight_decay"]) for group in made.optimizer.param_groups] == [
        (0.5, 0.2),
        (0.1, 0.0),
    ]


def test_stepping_in_backward_leaves_no_gradient() -> None:
    made = training()
    apply_all((InBackward(),), made)

    made.module(torch.randn(4, 8)).sum().backward()

    assert [name for name, p in made.module.named_parameters() if p.grad is not None] == []


@pytest.mark.parametrize("lever", EVERY, ids=lambda lever: type(lever).__name__)
def test_the_lines_are_python(lever: Lever) -> None:
    compile("\n".join(lever.lines), "lines", "exec")


def test_a_copy_of_a_training_is_not_changed() -> None:
    made = training()
    other = copy.deepcopy(made.module)

    apply_all((Checkpointing(PATHS),), made)

    assert "forward" not in vars(other.get_submodule("blocks.0"))
