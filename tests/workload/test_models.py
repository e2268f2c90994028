"""The built-in models, the presets, and what a case makes of them."""

import re

import pytest
import torch

from harness.errors import HarnessError
from harness.record.schema import Case
from harness.workload.huggingface import PRESETS
from harness.workload.model import Model, WorkloadError
from harness.workload.models import MODELS
from harness.workload.sources import build, every_target, resolve
from harness.workload.tensors import tensors_in

SMALL = (*MODELS, "hf:resnet-tiny", "hf:vit-tiny", "hf:bert-tiny", "hf:gpt2-tiny")
MODES = (torch.enable_grad, torch.no_grad, torch.inference_mode)


def case(model: str, **changes: object) -> Case:
    return Case(**{"question": "grad_mode", "model": model, "batch_size": 2, **changes})  # type: ignore[arg-type]


def parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.module.parameters())


@pytest.mark.parametrize(
    ("name", "count", "output"),
    [
        ("linear", 201, (2, 1)),
        ("mlp-relu", 399370, (2, 10)),
        ("mlp-gelu", 399370, (2, 10)),
        ("convnet", 41450, (2, 10)),
        ("lstm", 100618, (2, 10)),
        ("transformer", 397834, (64, 2, 10)),
    ],
)
def test_a_built_in_model_is_what_it_says(name: str, count: int, output: tuple[int, ...]) -> None:
    model = build(case(name))

    assert parameters(model) == count
    assert next(tensors_in(model())).shape == output


def test_the_convolutional_net_has_the_parameters_that_are_frozen_by_name() -> None:
    names = dict(build(case("convnet")).module.named_parameters())

    assert MODELS["convnet"].named == ("conv.weight", "conv.bias")
    assert {"conv.weight", "conv.bias"} <= names.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "millions"), [("resnet-50", 23.5), ("vit-b16", 85.8), ("bert-base", 109.5), ("gpt2", 124.4)]
)
def test_a_preset_is_the_architecture_it_names_with_a_head_for_its_two_classes(
    name: str, millions: float
) -> None:
    assert round(parameters(build(case(f"hf:{name}", batch_size=1))) / 1e6, 1) == millions


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", SMALL)
def test_outputs_are_equal_bit_for_bit_across_the_grad_modes(name: str, mode: str) -> None:
    # At their own batch sizes: at 2 examples oneDNN's LSTM rounds otherwise where nothing is recorded.
    model = build(case(name, mode=mode, batch_size=resolve(name).batch_size))
    outputs = []
    for region in MODES:
        torch.manual_seed(1)  # dropout draws anew
        with region():
            outputs.append([tensor.clone() for tensor in tensors_in(model())])

    grad, no_grad, inference_mode = outputs
    assert grad
    for expected, first, second in zip(grad, no_grad, inference_mode, strict=True):
        assert torch.equal(expected, first)
        assert torch.equal(expected, second)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_case_is_the_same_model_to_the_last_bit(name: str) -> None:
    first, second = build(case(name)), build(case(name))

    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    for one, other in zip(tensors_in(first.inputs), tensors_in(second.inputs), strict=True):
        assert torch.equal(one, other)


def test_another_seed_is_another_model() -> None:
    first, second = build(case("linear")), build(case("linear"), seed=1)

    assert not torch.equal(next(first.module.parameters()), next(second.module.parameters()))


@pytest.mark.parametrize("name", SMALL)
def test_every_model_has_a_head_and_can_be_asked_in_train_mode(name: str) -> None:
    model = build(case(name, mode="train"))

    assert model.head_parameters()
    assert model.module.training
    assert model.loss_of_forward().requires_grad


def test_a_dtype_is_of_parameters_and_floating_point_inputs() -> None:
    model = build(case("linear", dtype="float64"))
    tokens = build(case("hf:bert-tiny", dtype="bfloat16")).inputs

    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float64}
    assert [tensor.dtype for tensor in tensors_in(model.inputs)] == [torch.float64]
    assert {tensor.dtype for tensor in tensors_in(tokens)} == {torch.int64}


def test_autocast_keeps_the_parameters_and_lowers_the_output() -> None:
    model = build(case("linear", dtype="autocast"))

    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}
    assert next(tensors_in(model())).dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (case("mlp"), "no model 'mlp'; there are linear, mlp-relu,"),
        (case("hf:bert-huge"), ".* 'bert-huge'; "),
        (case("linear", dtype="float8"), "no dtype 'float8'; there are float32,"),
        (case("linear", batch_size=0), "a batch size of 0 holds no example; give 1 or more"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_could_be(asked: Case, message: str) -> None:
    with pytest.raises(HarnessError, match=f"^({message})"):
        build(asked)


def test_every_target_can_be_resolved_and_is_called_what_it_was_asked_as() -> None:
    assert len(every_target()) == len(MODELS) + len(PRESETS)
    assert tuple(resolve(target).name for target in every_target()) == every_target()


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)  # as if it were not installed

    with pytest.raises(
        WorkloadError, match=re.escape("needs transformers: pip install 'transformers>=4.41'")
    ):
        resolve("hf:bert-tiny")


@pytest.mark.parametrize("name", ["hf:bert-tiny", "hf:DistilBertModel", "hf:nowhere.json"])
def test_a_transformers_that_does_not_take_this_torch_says_which_does(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    transformers = pytest.importorskip("transformers")
    monkeypatch.setattr(transformers, "is_torch_available", lambda: False)

    with pytest.raises(WorkloadError, match=r"does not take torch 2\..*, or an older transformers"):
        resolve(name)
