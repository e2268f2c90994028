"""The exact passes, against bytes worked out by hand."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fakes import Watched
from quick_python import quick_python
from torch import nn

from harness.measure.case import measure_arm
from harness.measure.observe import Observation
from harness.measure.runner import Settings
from harness.record.schema import Case
from harness.workload.call import as_call
from harness.workload.model import Model
from harness.workload.models import MODELS
from harness.workload.questions import load_question
from harness.workload.sources import build, resolve
from harness.workload.step import Part, Step
from harness.workload.training import training_step

pytestmark = pytest.mark.process

GRAD_MODES = ("grad", "no_grad", "inference_mode")


def forward_of(model: Model) -> Observation:
    return Observation(Step((Part("forward", model),), model, model))


def counts(question: str, model: str, arm: str, *, mode: str = "eval", variant: str = "") -> dict[str, int]:
    case = Case(
        question=question, model=model, batch_size=resolve(model).batch_size, mode=mode, variant=variant
    )
    return measure_arm(load_question(question), case, arm, Settings(budget=0)).counts


class Drawing(nn.Module):
    """Scales its input by a number that a source of random numbers gives."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.draw()


@pytest.mark.parametrize(("draw", "is_repeatable"), [(random.random, False), (lambda: 0.5, True)])
def test_what_draws_on_the_host_may_do_something_else_with_every_draw(
    draw: Callable[[], float], *, is_repeatable: bool
) -> None:
    """Two passes are alike here, and with layers that are dropped at random they can be so by chance."""
    model = Model(Drawing(draw), (torch.ones(4, requires_grad=True),))

    assert forward_of(model).is_repeatable is is_repeatable


@pytest.mark.parametrize(
    ("arm", "peak", "retained", "saved"),
    [
        ("grad", 393216, 264704, 262144),  # two hidden (64, 512), and while it is made, a third
        ("no_grad", 262144, 2560, 0),  # two hidden at a time; the output (64, 10)
        ("inference_mode", 262144, 2560, 0),
    ],
)
def test_the_perceptron_takes_exactly_these_bytes(arm: str, peak: int, retained: int, saved: int) -> None:
    seen = counts("grad_mode", "mlp-relu", arm)

    assert (seen["peak"], seen["retained"], seen["saved"], seen["unaccounted"]) == (peak, retained, saved, 0)


@pytest.mark.parametrize(
    ("arm", "peak", "retained"),
    [
        ("grad", 100_663_296, 100_663_296),  # 24 activations of (2048, 512)
        ("no_grad", 8_388_608, 4_194_304),  # two at a time; the last
        ("inference_mode", 8_388_608, 4_194_304),
    ],
)
def test_twelve_layers_with_gelu_take_exactly_these_bytes(arm: str, peak: int, retained: int) -> None:
    layers = [layer for _ in range(12) for layer in (nn.Linear(512, 512), nn.GELU())]
    model = Model(nn.Sequential(*layers), (torch.randn(2048, 512),))
    step = load_question("grad_mode").build(Case(question="grad_mode", model="", batch_size=2048), arm, model)
    seen = Observation(step)

    assert seen.whole.peak_bytes() == peak
    assert seen.books.retained == retained
    assert seen.books.unaccounted == 0


def test_a_training_step_is_seen_part_by_part() -> None:
    torch.manual_seed(0)
    model = Model(nn.Linear(64, 32, bias=False), (torch.randn(8, 64),), loss=lambda output: output.sum())  # type: ignore[attr-defined]
    seen = Observation(training_step(model))
    forward, backward, optimizer = (seen.part(name) for name in ("forward", "backward", "optimizer"))

    assert forward is not None
    assert backward is not None
    assert optimizer is not None
    assert forward.retained_bytes() == 4  # the loss; its graph holds the input and the weight alone
    assert backward.retained_bytes() == 64 * 32 * 4 - 4  # the gradient comes, the loss goes
    assert optimizer.retained_bytes() == -(64 * 32 * 4)  # the gradient goes
    assert seen.whole.retained_bytes() == 0
    assert seen.part("nothing") is None


def test_a_pass_is_run_when_it_is_asked_for_and_once() -> None:
    calls: list[nn.Module] = []
    seen = forward_of(Model(Watched(calls.append), (torch.ones(2, 4),)))
    ran = [len(calls)]
    for ask in ("forward", "whole", "forward", "graph", "graph", "forward_no_grad", "books", "unaccounted"):
        getattr(seen, ask)
        ran.append(len(calls))

    # The pass is run twice under the profiler, and everything is read in the second; the whole of one part is
    # its forward pass. Under `no_grad` it calls the same operators, and once is enough.
    assert ran == [0, 2, 2, 2, 2, 2, 3, 3, 3]


def test_what_is_frozen_and_what_trains_is_in_the_state_bytes() -> None:
    parameters = 4 * (256 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10)
    head = 4 * (512 * 10 + 10)
    everything, trunk = (
        counts("freezing", "mlp-relu", "all trainable"),
        counts("freezing", "mlp-relu", "trunk frozen"),
    )

    assert everything["parameters"] == trunk["parameters"] == parameters == 1597480
    assert everything["gradients"] == parameters
    assert trunk["gradients"] == head
    assert everything["optimizer state"] == 2 * parameters + 6 * 4  # two moments, and a count a tensor
    assert trunk["optimizer state"] == 2 * head + 2 * 4


def test_what_foreach_takes_for_a_moment_shrinks_with_the_groups() -> None:
    one = counts("decay_groups", "mlp-relu", "one group", mode="train", variant="adamw-foreach")
    each = counts("decay_groups", "mlp-relu", "one group a parameter", mode="train", variant="adamw-foreach")

    assert one["optimizer temporary"] >= 1597480  # all parameters at once
    assert 4 * 512 * 512 <= each["optimizer temporary"] <= 3 * 4 * 512 * 512  # the largest of them
    assert each["optimizer operators"] > one["optimizer operators"]


def exact(models: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return the exact metrics of every mode, and of a training step, of fresh models."""
    found = {
        f"{name} {arm}": counts("grad_mode", name, arm, mode="train") for name in models for arm in GRAD_MODES
    }
    return found | {
        f"{name} step": counts("freezing", name, "all trainable", mode="train") for name in models
    }


@pytest.mark.parametrize(
    "name",
    [
        "convnet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mlp-gelu", "lstm", "transformer")),
    ],
)
def test_fifteen_repeats_are_identical(name: str) -> None:
    repeats = [counts("freezing", name, "all trainable", mode="train") for _ in range(15)]

    assert repeats == [repeats[0]] * 15


@pytest.mark.parametrize(
    "models", [("mlp-relu", "convnet"), pytest.param(tuple(MODELS), marks=pytest.mark.slow)], ids=len
)
def test_two_processes_are_identical(models: tuple[str, ...]) -> None:
    script = (
        f"import json, torch; torch.set_num_threads({torch.get_num_threads()});"
        "from harness.measure.garbage import set_old_objects_aside; set_old_objects_aside();"
        "from importlib.util import module_from_spec, spec_from_file_location as spec_of;"
        f"spec = spec_of('observed', {__file__!r}); module = module_from_spec(spec);"
        f"spec.loader.exec_module(module); print(json.dumps(module.exact({models!r})))"
    )
    path = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    other = subprocess.run(  # noqa: S603 (this interpreter, this file)
        [quick_python(), "-c", f"import sys; sys.path[:0] = {path!r}; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(other.stdout) == exact(models)


MEMRAY = """
import sys, torch
torch.set_num_threads(1)
from memray import FileReader, Tracker
from harness.measure.observe import Observation
from harness.record.schema import Case
from harness.workload.sources import build
from harness.workload.step import Part, Step

name, batch, file = sys.argv[1:]
model = build(Case(question="grad_mode", model=name, batch_size=int(batch), mode="train"))
peak = Observation(Step((Part("forward", model),), model, model)).forward.peak_bytes()
model()
with Tracker(file):
    left = model()
print(peak, FileReader(file).metadata.peak_memory)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "batch"),
    [  # as many examples as make 10 MB or more, beside which what is no tensor is small
        ("linear", 4_000_000),
        ("mlp-relu", 4096),
        ("mlp-gelu", 4096),
        ("convnet", 128),
        ("lstm", 128),
        ("transformer", 16),
    ],
)
def test_the_peak_is_at_most_memrays_and_within_8_percent_of_it(
    name: str, batch: int, tmp_path: Path
) -> None:
    pytest.importorskip("memray")
    run = subprocess.run(  # noqa: S603 (this interpreter, the script above)
        [sys.executable, "-c", MEMRAY, name, str(batch), str(tmp_path / "allocations.bin")],
        capture_output=True,
        text=True,
        check=True,
    )
    ours, memrays = map(int, run.stdout.split())

    assert ours >= 10_000_000
    assert ours <= memrays <= 1.08 * ours


@pytest.mark.parametrize("name", MODELS)
def test_no_grad_and_inference_mode_hold_the_same_bytes(name: str) -> None:
    no_grad, inference = counts("grad_mode", name, "no_grad"), counts("grad_mode", name, "inference_mode")

    assert (no_grad["peak"], no_grad["retained"]) == (inference["peak"], inference["retained"])


def test_the_books_are_those_of_the_forward_pass_with_its_loss() -> None:
    model = build(Case(question="freezing", model="mlp-relu", batch_size=64, mode="train"))
    seen = Observation(training_step(model))

    # The loss saves the output; torch < 2.1 also the square of it, of which the mean needs the size alone.
    assert seen.books.saved - 262144 in {64 * 10 * 4, 2 * 64 * 10 * 4}
    assert seen.books.unaccounted == 0


def test_a_callable_of_several_modules_or_none_is_seen_as_it_is() -> None:
    first, second, inputs = nn.Linear(8, 8), nn.Linear(8, 8), torch.ones(2, 8)
    batches: list[object] = [inputs]
    batches.append(batches)

    def both() -> object:
        assert batches
        return second(first(inputs))

    def none() -> object:
        return inputs.log1p() * float("nan")

    seen = [Observation(step) for made in (both, none) if (step := as_call(made, "made")) is not None]
    assert [each.forward_pass.defect for each in seen] == ["", "NaN"]
    assert [sum(saved.bytes for saved in each.graph.saved) for each in seen] == [2 * 8 * 4, 0]
    assert [each.books.unaccounted for each in seen] == [0, 0]
