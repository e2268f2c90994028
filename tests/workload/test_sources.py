"""Targets: factories in a plain folder, presets and configs of transformers, timm and torchvision."""

import importlib
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from harness.measure.inspection import OutOfMemoryError, inspect_model
from harness.record.schema import Case
from harness.workload.copying import Copying
from harness.workload.factory import entry_of, entry_of_model, first_line
from harness.workload.losses import LOSSES, find_loss
from harness.workload.model import Model, WorkloadError, mean_square
from harness.workload.sources import build, resolve

_NETS = """
from dataclasses import dataclass
import torch
from torch import nn
from harness import Model

@dataclass
class Out:
    logits: torch.Tensor
    hidden: dict

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, *, batch, scale):
        out = self.layer(batch) * scale
        return Out(out, {"kept": (batch,)})

def sized(batch_size=3):
    return Model(Net(), {"batch": torch.randn(batch_size, 4), "scale": 2.0})

def pair():
    return nn.Linear(4, 2), torch.randn(6, 4)

def raises():
    raise ValueError("no luck\\nand more")

def wrong():
    return 3

def no_module():
    return "net", torch.randn(2)

def no_inputs():
    return nn.Linear(4, 2), 5

def needs(width):
    return None

shape = nn.Linear(4, 2)

def bad_shape():
    return nn.Sequential(nn.Linear(4, 2), nn.Sequential(nn.Linear(3, 2))), torch.randn(6, 4)
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the user's in a folder that is no package, with that folder as the working directory."""
    name = "nets_of_a_user"
    (tmp_path / f"{name}.py").write_text(_NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != ""])
    yield name
    sys.modules.pop(name, None)


def _case(target: str, batch_size: int = 2) -> Case:
    return Case(question="", model=target, batch_size=batch_size)


def test_a_factory_in_the_working_directory_is_found(nets: str) -> None:
    entry = resolve(f"{nets}:sized")
    assert (entry.name, entry.batch_size, entry.sized) == (f"{nets}:sized", 3, True)
    model = build(_case(entry.name, 5))
    assert model.inputs["batch"].shape == (5, 4)
    assert model().logits.shape == (5, 2)


def test_a_factory_without_a_batch_size_makes_its_own(nets: str) -> None:
    entry = resolve(f"{nets}:pair")
    assert (entry.batch_size, entry.sized) == (6, False)
    assert build(_case(entry.name, 6))().shape == (6, 2)
    with pytest.raises(
        WorkloadError, match="makes batches of 6 only; for 2 examples, give its factory a parameter"
    ):
        build(_case(entry.name, 2))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("raises", "raised ValueError: no luck"),
        ("wrong", "returned an object of class int; it has to return a harness.Model, or"),
        ("no_module", "returned an object of class str as the module"),
        ("no_inputs", "returned an object of class int as inputs"),
        ("needs", "needs the argument 'width'; a factory is called without arguments"),
        ("missing", "has no 'missing'; there are dataclass, Model, Out, Net, sized"),
    ],
)
def test_a_factory_that_cannot_be_used_is_refused_in_one_line(nets: str, name: str, line: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        resolve(f"{nets}:{name}")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_that_raises_while_it_is_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_at_import.py").write_text("1 / 0")
    (tmp_path / "imports_what_is_missing.py").write_text("import not_there_at_all")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkloadError, match="importing breaks_at_import raised ZeroDivisionError"):
        resolve("breaks_at_import:make")
    with pytest.raises(WorkloadError, match="imports 'not_there_at_all', which is not installed"):
        resolve("imports_what_is_missing:make")
    with pytest.raises(WorkloadError, match=r"no module 'not_here' .* run from the folder that holds it"):
        resolve("not_here:make")


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("{}.py:sized", "a target names a module, not a file; write {}:sized"),
        ("sub/{}.py:sized", "a target names a module, not a file; write sub.{}:sized"),
        ("{}.py", "a target names a module, not a file; write {}:factory"),
        ("{}", "{0} is a module; name the factory in it, as in {0}:factory"),
        ("{}s:sized", "nor installed; did you mean {}?"),
        ("{}:shape", "{}:shape is a Linear, a module; write a function that returns it and its inputs"),
    ],
)
def test_a_target_that_is_nearly_right_is_told_what_is(nets: str, target: str, line: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        resolve(target.format(nets))
    assert str(refused.value).endswith(line.format(nets))


def test_a_target_of_no_kind_names_what_there_is() -> None:
    with pytest.raises(
        WorkloadError, match=r"no model 'resnet'; there are linear, .*hf:gpt2.*package\.module:factory"
    ):
        resolve("resnet")


def test_the_models_own_error_is_shown_with_the_module_that_raised_it(nets: str) -> None:
    with pytest.raises(
        WorkloadError, match=r"in module '1\.0' \(Linear\), raised RuntimeError: mat1 and mat2"
    ):
        inspect_model(build(_case(f"{nets}:bad_shape", 6)))


class _Grows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.passes = 0

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        setattr(self, f"grown{self.passes}", nn.Linear(4, 4))
        return self.layer(batch)


class _AsksForTooMuch(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch + torch.empty(2**50)


def test_a_model_that_changes_its_own_structure_is_refused() -> None:
    with pytest.raises(WorkloadError, match="changes its own structure while it runs"):
        inspect_model(Model(_Grows(), (torch.randn(2, 4),)))


def test_a_lazy_module_takes_its_shape_in_the_first_pass_and_is_fine() -> None:
    assert inspect_model(Model(nn.LazyLinear(3), (torch.randn(2, 4),))) == ()


def test_memory_that_cannot_be_had_is_told_apart() -> None:
    with pytest.raises(OutOfMemoryError, match="ran out of memory"):
        inspect_model(Model(_AsksForTooMuch(), (torch.randn(2, 4),)))


def test_nan_in_the_output_is_said() -> None:
    class Broken(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch * float("nan")

    assert "NaN" in inspect_model(Model(Broken(), (torch.randn(2),)))[0]


class _Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


def test_named_tuples_keep_their_class_when_inputs_are_cast() -> None:
    class Adds(nn.Module):
        def forward(self, pair: _Pair) -> torch.Tensor:
            return pair.left + pair.right

    entry = entry_of("adds", lambda: (Adds(), (_Pair(torch.ones(2), torch.ones(2)),)))
    model = build(Case(question="", model="adds", batch_size=2, dtype="bfloat16"), entry=entry)
    assert model().dtype is torch.bfloat16


def test_a_model_at_hand_is_copied_and_stays_as_it_is() -> None:
    module = nn.Linear(4, 2)
    entry = entry_of_model("Linear", Model(module, (torch.randn(3, 4),)))
    copied = entry.build(3)
    assert copied.module is not module
    assert torch.equal(copied.module.weight, module.weight)
    held = Model(nn.Linear(2, 2), (torch.randn(2, 2, requires_grad=True) * 2,))
    with pytest.raises(WorkloadError, match=r"x cannot be copied .*pass a function that makes it"):
        entry_of_model("x", held).build(2)


def test_copies_of_one_build_do_not_share_memory() -> None:
    builds: list[int] = []

    def make(batch_size: int) -> Model:
        builds.append(batch_size)
        return Model(nn.Linear(4, 2), (torch.randn(batch_size, 4),))

    copying = Copying(make)
    first, second = copying(3), copying(3)
    assert builds == [3]
    assert first.module.weight.data_ptr() != second.module.weight.data_ptr()
    copying(4)
    assert builds == [3, 4]


def test_losses_by_name() -> None:
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    assert find_loss("sum")(logits) == 4
    assert find_loss("mean_square") is mean_square
    assert find_loss("cross_entropy")({"logits": logits}) == pytest.approx(0.126928)
    assert find_loss("own")({"loss": torch.tensor(3.0), "logits": logits}) == 3
    assert set(LOSSES) == {"mean_square", "sum", "cross_entropy", "own"}
    with pytest.raises(WorkloadError, match="no loss of its own"):
        find_loss("own")(logits)
    with pytest.raises(WorkloadError, match="no loss 'mse'; there are mean_square, sum"):
        find_loss("mse")


# Hugging Face configs


def test_a_config_file_is_built_without_a_download(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    fields = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 64,
    }
    (tmp_path / "config.json").write_text(json.dumps(fields))
    model = build(_case(f"hf:{tmp_path}/config.json"))
    assert type(model.module).__name__ == "LlamaForCausalLM"
    assert model.inputs["input_ids"].shape == (2, 128)
    assert model().logits.shape == (2, 128, 64)


def test_an_encoder_decoder_gets_tokens_for_both(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    fields = {
        "model_type": "t5",
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 1,
        "num_heads": 2,
        "vocab_size": 64,
    }
    (tmp_path / "t5.json").write_text(json.dumps(fields))
    model = build(_case(f"hf:{tmp_path}/t5.json"))
    assert set(model.inputs) == {"input_ids", "attention_mask", "decoder_input_ids"}
    assert inspect_model(model) == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{no", "is not JSON"),
        ("[]", "has no field `model_type`"),
        ('{"hidden_size": 3}', "has no field `model_type`"),
        ('{"model_type": "nothing_of_the_kind"}', "transformers makes no config of it"),
        ('{"model_type": "bert", "architectures": ["BertForTea"]}', "names the architecture 'BertForTea'"),
        ('{"model_type": "bert", "architectures": ["pipeline"]}', "names the architecture 'pipeline'"),
        ('{"model_type": "bert", "architectures": {"a": 1}}', "its `architectures` are no list of names"),
        ('{"model_type": "bert", "architectures": [3]}', "its `architectures` are no list of names"),
        ('{"model_type": "bert", "id2label": 3}', "transformers makes no config of it"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, line: str) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WorkloadError, match=line):
        resolve(f"hf:{tmp_path}/config.json")


@pytest.mark.parametrize(
    "fields", ['"max_position_embeddings": "x"', '"hidden_size": {}', '"hidden_size": -1']
)
def test_a_config_of_another_shape_is_refused_by_the_time_it_is_built(tmp_path: Path, fields: str) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text(f'{{"model_type": "bert", {fields}}}')
    with pytest.raises(WorkloadError, match=r"config\.json"):
        build(_case(f"hf:{tmp_path}/config.json"))


def test_names_of_hugging_face_are_told_apart() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(WorkloadError, match="would need a download, and nothing is fetched"):
        resolve("hf:google-bert/bert-base-uncased")
    with pytest.raises(
        WorkloadError, match="no architecture or model type 'BertForMaskdLM'; near are BertForMaskedLM"
    ):
        resolve("hf:BertForMaskdLM")
    with pytest.raises(WorkloadError, match=r"nowhere\.json cannot be read: No such file"):
        resolve("hf:nowhere.json")
    assert resolve("hf:DistilBertModel").batch_size == 2


def test_a_model_that_this_machine_does_not_hold_is_refused_before_it_is_built(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    huge = {"model_type": "llama", "hidden_size": 65536, "num_hidden_layers": 400, "num_attention_heads": 64}
    (tmp_path / "huge.json").write_text(json.dumps(huge))
    with pytest.raises(WorkloadError, match=r"GiB of parameters, and .* GiB are free"):
        build(_case(f"hf:{tmp_path}/huge.json"))


# timm and torchvision, by the public functions that these sources call


def _fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class _Flow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> list[torch.Tensor]:
        return [(after - before) * self.weight]


def _conv() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))


def test_timm_builds_without_pretrained_weights_in_the_models_own_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, bool]] = []

    def create_model(name: str, *, pretrained: bool) -> nn.Module:
        asked.append((name, pretrained))
        return _conv()

    data = types.SimpleNamespace(resolve_model_data_config=lambda _module: {"input_size": (3, 20, 24)})
    _fake(
        monkeypatch,
        "timm",
        create_model=create_model,
        data=data,
        is_model=lambda name: name == "resnet18",
        list_models=lambda: ["resnet18", "vit_tiny"],
    )
    model = build(_case("timm:resnet18.a1_in1k"))
    # The tag decides the number of classes and the size of images, and fetches nothing by itself.
    assert asked == [("resnet18.a1_in1k", False)]
    assert model.inputs[0].shape == (2, 3, 20, 24)
    with pytest.raises(WorkloadError, match="timm has no model 'resnt18'; near are resnet18"):
        resolve("timm:resnt18")
    with pytest.raises(WorkloadError, match="would need a download"):
        resolve("timm:hf_hub:somebody/net")


def test_a_tag_that_timm_does_not_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, *, pretrained: bool) -> nn.Module:
        raise RuntimeError(f"Invalid pretrained tag ({name.partition('.')[2]}, {pretrained}) for resnet18.")

    _fake(monkeypatch, "timm", create_model=create_model, is_model=lambda _name: True)
    with pytest.raises(WorkloadError, match=r"of timm:resnet18.a9: RuntimeError: Invalid pretrained tag"):
        build(_case("timm:resnet18.a9"))


def _fake_torchvision(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []

    def plain(*, weights: object = None) -> nn.Module:
        asked.append({"weights": weights})
        return _conv()

    def segmenting(*, weights: object = None, weights_backbone: object = "fetched") -> nn.Module:
        asked.append({"weights": weights, "weights_backbone": weights_backbone})
        return _conv()

    def inception_v3(*, weights: object = None, **options: object) -> nn.Module:
        asked.append({"weights": weights, **options})
        return _conv()

    def raft(*, weights: object = None) -> nn.Module:
        asked.append({"weights": weights})
        return _Flow()

    builders = {"plain": plain, "segmenting": segmenting, "inception_v3": inception_v3, "raft": raft}
    crops = {
        "plain": types.SimpleNamespace(crop_size=[30], resize_size=[40]),
        "segmenting": types.SimpleNamespace(resize_size=[52]),
        "inception_v3": types.SimpleNamespace(crop_size=[29]),
        "raft": types.SimpleNamespace(),
    }

    def get_model_weights(name: str) -> object:
        return types.SimpleNamespace(DEFAULT=types.SimpleNamespace(transforms=lambda: crops[name]))

    models = _fake(
        monkeypatch,
        "torchvision.models",
        list_models=lambda: list(builders),
        get_model_builder=builders.__getitem__,
        get_model=lambda name, **options: builders[name](**options),
        get_model_weights=get_model_weights,
    )
    _fake(monkeypatch, "torchvision", models=models)
    return asked


def test_torchvision_builds_without_weights_and_without_those_of_a_backbone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _fake_torchvision(monkeypatch)
    assert build(_case("torchvision:plain")).inputs[0].shape == (2, 3, 30, 30)
    assert build(_case("torchvision:segmenting")).inputs[0].shape == (2, 3, 52, 52)
    assert asked == [{"weights": None}, {"weights": None, "weights_backbone": None}]
    with pytest.raises(WorkloadError, match="torchvision has no model 'plane'; near are plain"):
        resolve("torchvision:plane")


def test_torchvision_models_that_ask_how_to_begin_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _fake_torchvision(monkeypatch)

    assert build(_case("torchvision:inception_v3")).inputs[0].shape == (2, 3, 29, 29)
    assert asked == [{"weights": None, "init_weights": True}]


def test_optical_flow_is_of_two_images(monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_torchvision(monkeypatch)
    monkeypatch.setattr(_Flow, "__module__", "torchvision.models.optical_flow.raft")
    model = build(_case("torchvision:raft"))

    assert [tuple(image.shape) for image in model.inputs] == [(2, 3, 224, 224), (2, 3, 224, 224)]
    assert inspect_model(model) == ()


class _Aux(NamedTuple):
    logits: torch.Tensor
    aux_logits: torch.Tensor


class _Inception(nn.Module):
    """Returns a named tuple while it is trained, and the logits alone where it is not, as torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head, self.aux = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, values: torch.Tensor) -> torch.Tensor | _Aux:
        hidden = self.trunk(values)
        return _Aux(self.head(hidden), self.aux(hidden)) if self.training else self.head(hidden)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_loss_of_an_inception_is_that_of_its_logits(mode: str) -> None:
    model = Model(_Inception().train(mode == "train"), (torch.ones(3, 4),))
    model.loss_of_forward().backward()

    assert model.module.head.weight.grad is not None
    assert model.module.aux.weight.grad is None
    assert inspect_model(model) == ()


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    class Missing:
        def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
            if name == library:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(WorkloadError, match=rf"needs {library}: pip install {library}"):
        resolve(f"{library}:anything")


def test_a_package_that_is_missing_deep_below_is_named_itself() -> None:
    try:
        try:
            importlib.import_module("no_such_package_at_all")
        except ModuleNotFoundError as error:
            raise ImportError("Could not import module 'BertModel'") from error
    except ImportError as error:
        said = first_line(error)

    assert said == "ModuleNotFoundError: it needs 'no_such_package_at_all', which is not installed"
