"""The three questions: their arms, and what each arm does to a model."""

from collections import OrderedDict

import pytest
import torch
from brought import models_shared_state
from torch import nn

from harness.record.schema import Case
from harness.workload.model import Model, WorkloadError
from harness.workload.models import MODELS
from harness.workload.questions import load_question, question_names
from harness.workload.questions.freezing import BY_NAME, TRUNK_NO_GRAD, freeze, run_trunk_without_grad
from harness.workload.sources import build, resolve
from harness.workload.step import Step
from harness.workload.tensors import tensors_in


def step_of(question: str, model: str, arm: str, **changes: object) -> Step:
    asked = Case(**{"question": question, "model": model, "batch_size": 2, "mode": "train", **changes})  # type: ignore[arg-type]
    return load_question(question).build(asked, arm, build(asked))


def frozen_names(model: Model) -> set[str]:
    return {name for name, parameter in model.module.named_parameters() if not parameter.requires_grad}


def test_the_questions_are_found_by_their_files() -> None:
    assert {"grad_mode", "freezing", "decay_groups"} <= set(question_names())
    assert [load_question(name).name for name in question_names()] == list(question_names())


def test_an_unknown_question_is_refused_with_those_there_are() -> None:
    with pytest.raises(WorkloadError, match=r"^no question 'why'; there are .*decay_groups, .*grad_mode"):
        load_question("why")


@pytest.mark.parametrize(
    ("question", "model", "arms"),
    [
        ("grad_mode", "linear", ("grad", "no_grad", "inference_mode")),
        (
            "freezing",
            "mlp-relu",
            (
                "all trainable",
                "trunk frozen",
                "head frozen",
                "biases only",
                "all frozen",
                "trunk under no_grad",
            ),
        ),
        (
            "decay_groups",
            "linear",
            (
                "one group",
                "weights and biases",
                "nanogpt",
                "timm",
                "hugging face",
                "one group a parameter",
            ),
        ),
    ],
)
def test_the_arms_begin_with_the_reference(question: str, model: str, arms: tuple[str, ...]) -> None:
    assert load_question(question).arms(resolve(model)) == arms


def test_only_a_model_with_named_parameters_has_them_frozen_by_name() -> None:
    question = load_question("freezing")

    assert [name for name, entry in MODELS.items() if BY_NAME in question.arms(entry)] == ["convnet"]


@pytest.mark.parametrize("name", ["grad_mode", "freezing", "decay_groups"])
def test_the_default_models_can_be_resolved_and_have_cells(name: str) -> None:
    question = load_question(name)

    assert question.models
    for target in question.models:
        few, every = (
            {(cell.entry.name, cell.mode, cell.variant) for cell in question.cells(resolve(target), flag)}
            for flag in (False, True)
        )
        assert few
        assert few <= every


@pytest.mark.parametrize(
    ("arm", "records", "inference"),
    [("grad", True, False), ("no_grad", False, False), ("inference_mode", False, True)],
)
def test_a_grad_mode_is_the_one_it_is_called(arm: str, records: bool, inference: bool) -> None:  # noqa: FBT001
    output = next(tensors_in(step_of("grad_mode", "linear", arm).forward()))

    assert output.requires_grad is records
    assert output.is_inference() is inference


@pytest.mark.parametrize(
    ("arm", "frozen"),
    [
        ("all trainable", set()),
        ("trunk frozen", {"conv.weight", "conv.bias", "norm.weight", "norm.bias"}),
        ("head frozen", {"classifier.weight", "classifier.bias"}),
        ("biases only", {"conv.weight", "norm.weight", "classifier.weight"}),
        ("frozen by name", {"conv.weight", "conv.bias"}),
        ("trunk under no_grad", set()),
        (
            "all frozen",
            {"conv.weight", "conv.bias", "norm.weight", "norm.bias", "classifier.weight", "classifier.bias"},
        ),
    ],
)
def test_an_arm_freezes_these_and_they_have_no_gradient_and_do_not_move(arm: str, frozen: set[str]) -> None:
    step = step_of("freezing", "convnet", arm)
    before = {name: value.detach().clone() for name, value in step.model.module.named_parameters()}
    parts = {part.name: part.call for part in step.parts}

    assert frozen_names(step.model) == frozen
    parts["forward"]()
    if "backward" in parts:
        parts["backward"]()
    for name, parameter in step.model.module.named_parameters():
        # Under no_grad the trunk is trainable, and yet gets nothing.
        trained = name not in frozen and (arm != TRUNK_NO_GRAD or name.startswith("classifier"))
        assert (parameter.grad is not None) is trained, name
    if "optimizer" in parts:
        parts["optimizer"]()
    for name, parameter in step.model.module.named_parameters():
        assert parameter.grad is None
        if name in frozen:
            assert torch.equal(parameter, before[name])


def test_all_frozen_is_a_forward_pass_alone() -> None:
    assert [part.name for part in step_of("freezing", "mlp-relu", "all frozen").parts] == ["forward"]


def test_the_trunk_under_no_grad_gives_the_same_output_and_hands_on_no_graph() -> None:
    asked = Case(question="freezing", model="convnet", batch_size=2)
    plain, without = build(asked), build(asked)
    run_trunk_without_grad(without)
    output, other = next(tensors_in(plain())), next(tensors_in(without()))

    assert torch.equal(output, other)
    assert other.requires_grad
    assert not without.module.get_submodule("pool")(torch.ones(1, 1, 2, 2, requires_grad=True)).requires_grad


def test_the_trunk_under_no_grad_leaves_other_models_of_the_class_alone() -> None:
    asked = Case(question="freezing", model="convnet", batch_size=2)
    run_trunk_without_grad(build(asked))

    next(tensors_in(build(asked)())).sum().backward()  # type: ignore[no-untyped-call]
    other = build(asked)
    next(tensors_in(other())).sum().backward()  # type: ignore[no-untyped-call]

    assert all(parameter.grad is not None for parameter in other.module.parameters())


def test_a_name_that_is_no_parameter_is_refused() -> None:
    model = Model(nn.Linear(2, 2), ())

    with pytest.raises(WorkloadError, match=r"^no parameter 'conv'; there are weight, bias$"):
        freeze(model, BY_NAME, ("conv",))


def test_a_decay_step_keeps_its_gradients_so_that_every_step_is_the_same_work() -> None:
    step = step_of("decay_groups", "mlp-relu", "nanogpt", variant="adamw-for-loop")
    before = [
        parameter.grad.clone() for parameter in step.model.module.parameters() if parameter.grad is not None
    ]

    step()

    after = [parameter.grad for parameter in step.model.module.parameters() if parameter.grad is not None]
    assert len(before) == 6
    assert [part.name for part in step.parts] == ["optimizer", "forward"]
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new)


def layers(activation: type[nn.Module], count: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Sequential(nn.Linear(256, 256), activation()) for _ in range(count)))


def model_of_8(activation: type[nn.Module], frozen: str) -> Model:
    """Return 8 x [Linear(256) + activation]; the head is all but the first layer, or the last alone."""
    blocks = layers(activation, 8)
    if frozen == "head frozen":
        module = nn.Sequential(OrderedDict(first=blocks[0], rest=nn.Sequential(*blocks[1:])))
        return Model(module, (torch.randn(32, 256),), head="rest")
    return Model(blocks, (torch.randn(32, 256),), head="7")


@pytest.mark.parametrize(
    ("activation", "arm", "activations"),
    [
        (nn.ReLU, "all trainable", 7),
        (nn.ReLU, "trunk frozen", 1),
        (nn.ReLU, "head frozen", 7),
        (nn.ReLU, "all frozen", 0),
        (nn.GELU, "all trainable", 15),
        (nn.GELU, "trunk frozen", 2),
        (nn.GELU, "head frozen", 8),
        (nn.GELU, "all frozen", 0),
    ],
)
def test_freezing_saves_what_the_layers_below_no_longer_need(
    activation: type[nn.Module], arm: str, activations: int
) -> None:
    from graphs import record_graph

    model = model_of_8(activation, arm)
    freeze(model, arm)

    graph = record_graph(model, model.module, model.inputs)

    assert [saved.bytes for saved in graph.saved] == [32 * 256 * 4] * activations


@pytest.mark.parametrize(
    ("question", "arm", "variant"),
    [("freezing", TRUNK_NO_GRAD, ""), ("decay_groups", "one group", "adamw-foreach")],
)
def test_what_a_call_takes_out_of_its_batch_is_there_again_when_a_step_is_built(
    question: str, arm: str, variant: str
) -> None:
    model = models_shared_state.pops_its_labels()
    asked = Case(question=question, model="linear", batch_size=6, mode="train", variant=variant)
    load_question(question).build(asked, arm, model)

    assert set(model.inputs[0]) == {"x", "labels"}
