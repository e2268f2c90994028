"""Dtypes and memory formats of a case, with torch itself on the CPU."""

import pytest
import torch

from harness.errors import HarnessError
from harness.record.schema import Case
from harness.workload.model import UnsupportedError
from harness.workload.questions import load_question
from harness.workload.questions.decay_groups import CAPTURABLE, EVERYWHERE
from harness.workload.sources import build, resolve
from harness.workload.tensors import tensors_in


def case(**changes: object) -> Case:
    return Case(**{"question": "grad_mode", "model": "convnet", "batch_size": 2, **changes})  # type: ignore[arg-type]


def test_channels_last_lays_out_images_and_their_weights_and_nothing_else() -> None:
    model = build(case(memory_format="channels_last"))
    inputs = next(tensors_in(model.inputs))

    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert not inputs.is_contiguous()
    weights = dict(model.module.named_parameters())
    assert weights["conv.weight"].is_contiguous(memory_format=torch.channels_last)
    assert weights["classifier.weight"].is_contiguous()


def test_channels_last_changes_no_number_that_the_model_gives_beyond_rounding() -> None:
    outputs = [next(tensors_in(build(case(memory_format=name))())) for name in ("", "channels_last")]

    torch.testing.assert_close(*outputs)


def test_a_layout_is_kept_when_the_tensors_are_moved() -> None:
    from random import Random

    model = build(case(memory_format="channels_last"))
    model.relocate(Random(0))

    assert next(tensors_in(model.inputs)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "autocast"])
def test_each_dtype_goes_with_channels_last(dtype: str) -> None:
    model = build(case(dtype=dtype, memory_format="channels_last"))
    output = next(tensors_in(model()))

    assert output.dtype == (torch.float32 if dtype == "float32" else torch.bfloat16)
    assert next(model.module.parameters()).dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)


def test_a_model_without_images_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^channels_last lays out tensors of four .*mlp-relu"):
        build(case(model="mlp-relu", memory_format="channels_last"))


def test_an_unknown_memory_format_is_refused_with_the_one_there_is() -> None:
    with pytest.raises(HarnessError, match=r"^no memory format 'nchw'; there is channels_last"):
        build(case(memory_format="nchw"))


def test_a_case_is_named_by_its_memory_format_and_as_before_without_one() -> None:
    assert case().id == "grad_mode/convnet/eval/cpu-float32-b2"
    assert case(memory_format="channels_last").id == "grad_mode/convnet/eval/cpu-float32-channels_last-b2"


def variants(model: str, device: str, *, every: bool) -> list[str]:
    cells = load_question("decay_groups").cells(resolve(model), every)
    return [cell.variant for cell in cells if cell.is_for(device)]


def test_the_capturable_optimizer_is_asked_of_cuda_alone() -> None:
    assert variants("transformer", "cuda:1", every=False)[-1] == CAPTURABLE
    assert variants("transformer", "cpu", every=False) == [
        "adamw-for-loop",
        "adamw-foreach",
        "adamw-fused",
        "sgd-foreach",
    ]
    assert variants("linear", "cpu", every=True) == list(EVERYWHERE)
    assert variants("linear", "cuda", every=True) == [*EVERYWHERE, CAPTURABLE]
    assert variants("linear", "cuda", every=False) == ["adamw-foreach"]


def test_the_capturable_optimizer_is_refused_on_the_cpu_before_a_step() -> None:
    asked = Case(question="decay_groups", model="linear", mode="train", variant=CAPTURABLE, batch_size=2)

    with pytest.raises(UnsupportedError, match=r"^adamw-capturable keeps its step count on the device"):
        load_question("decay_groups").build(asked, "one group", build(asked))


def test_the_capturable_optimizer_is_refused_where_torch_has_no_such_step_for_the_device() -> None:
    meta = Case(question="decay_groups", model="linear", mode="train", variant=CAPTURABLE, device="meta")

    with pytest.raises(UnsupportedError, match=r"^torch refuses adamw-capturable: "):
        load_question("decay_groups").build(meta, "one group", build(meta))
