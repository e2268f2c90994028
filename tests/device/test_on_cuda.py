"""What is promised of CUDA, put to the test on a device; skipped, with the reason, where there is none.

    python -m pytest tests/device -m cuda -rA

Every number that it prints is one that a page about the device can quote.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest
import torch
from torch import nn

from harness.judge.contrasts import judge_samples
from harness.judge.times import median_seconds
from harness.judge.verdict import Verdict
from harness.measure.block import Pair
from harness.measure.callables import time_pair
from harness.measure.case import measure_arm
from harness.measure.clock import clock_for
from harness.measure.device_times import DevicePass, PairFacts, device_pass, occupy
from harness.measure.devices.protocol import Device
from harness.measure.devices.registry import device_of
from harness.measure.observe import Observation
from harness.measure.probes import PROBES
from harness.measure.runner import Settings
from harness.measure.sampling import Side
from harness.measure.waits import waits_on_device
from harness.record.schema import ArmResult, Case
from harness.workload.model import Model, UnsupportedError
from harness.workload.models import MODELS
from harness.workload.questions import load_question
from harness.workload.questions.decay_groups import CAPTURABLE
from harness.workload.sources import build, resolve
from harness.workload.step import Part, Step
from harness.workload.training import training_step

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]

CUBLAS_WORKSPACES = (8_519_680, 33_554_432)  # torch's default before Hopper, and from Hopper on


@pytest.fixture
def device() -> Device:
    found = device_of("cuda")
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _in_full_precision() -> Iterator[None]:
    """Keep convolutions to one algorithm: one that is chosen by trying takes memory of its own meanwhile."""
    benchmarked = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    yield
    torch.backends.cudnn.benchmark = benchmarked


def forward_step(model: Model) -> Step:
    return Step((Part("forward", model),), model, model)


def case(name: str, **changes: object) -> Case:
    options = {"question": "grad_mode", "model": name, "device": "cuda", "batch_size": 8, **changes}
    return Case(**options)  # type: ignore[arg-type]


# Bytes


# torch lets recurrent layers put half, float and double weights into one block, and no bfloat16 ones
# (`torch.backends.cudnn.is_acceptable`, 2.11 and 2.13, 2026-11), and then warns that they are not.
@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "autocast"])
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", [*MODELS, "hf:bert-tiny", "hf:gpt2-tiny", "hf:resnet-tiny", "hf:vit-tiny"])
def test_the_books_balance_on_every_built_in_model(name: str, mode: str, dtype: str) -> None:
    if name.startswith("hf:"):
        pytest.importorskip("transformers")
    seen = Observation(forward_step(build(case(name, mode=mode, dtype=dtype))))
    books = seen.books

    print(f"{name} {mode} {dtype}: {books}, saved on the host: {seen.graph.elsewhere}")
    assert seen.device is not None
    assert books.saved > 0 or name == "linear"  # which needs its input and its weight alone
    assert books.unaccounted == 0, seen.unaccounted


@pytest.mark.parametrize("name", MODELS)
def test_the_books_of_a_training_step_balance_too(name: str) -> None:
    seen = Observation(training_step(build(case(name, mode="train"))))

    assert seen.books.unaccounted == 0, seen.unaccounted
    assert seen.statistics is not None
    assert seen.statistics.retained_bytes() == 0  # gradients are freed, and the optimizer's state was there


def test_channels_last_books_balance() -> None:
    seen = Observation(forward_step(build(case("convnet", memory_format="channels_last"))))

    assert seen.books.unaccounted == 0, seen.unaccounted


def test_a_tensor_of_known_size_is_counted_to_the_byte(device: Device) -> None:
    def call() -> torch.Tensor:
        torch.empty(5000, dtype=torch.uint8, device=device.name)
        return torch.empty(1001, dtype=torch.uint8, device=device.name)

    model = Model(nn.Linear(1, 1).to(device.name), (torch.ones(1, 1, device=device.name),))
    seen = Observation(Step((Part("forward", call),), model, call))

    assert seen.statistics is not None
    assert seen.levels.retained_bytes() == 1001
    assert seen.levels.peak_bytes() == 5000
    assert seen.statistics.allocations() == 2
    # The trace has the blocks as the allocator rounds them, to 512 bytes.
    assert [event.bytes for event in seen.whole.allocations] == [5120, -5120, 1024]


def test_exact_numbers_are_the_same_in_repeats() -> None:
    counts = []
    for _ in range(3):
        seen = Observation(training_step(build(case("transformer", mode="train"))))
        counts.append({name: value for probe in PROBES for name, value in probe.read(seen).items()})
    gated = [
        {
            metric.name: one[metric.name]
            for probe in PROBES
            for metric in probe.metrics
            if metric.kind == "exact" and metric.name in one
        }
        for one in counts
    ]

    assert gated[0] == gated[1] == gated[2]


def test_the_workspace_has_the_size_that_torch_documents(device: Device) -> None:
    # Another test may have multiplied before: then it was taken already, and is told as 0.
    print(f"workspace: {device.workspace_bytes:,} B")
    assert device.workspace_bytes in (0, *CUBLAS_WORKSPACES)


def test_an_elementwise_operator_is_one_launch(device: Device) -> None:
    tensor = torch.ones(1000, device=device.name)
    model = Model(nn.Linear(1, 1).to(device.name), (torch.ones(1, 1, device=device.name),))

    def call() -> object:
        return tensor.mul(2).add(1).tanh()

    seen = Observation(Step((Part("forward", call),), model, call))
    assert len(seen.whole.launches) == 3
    assert {"aten::mul", "aten::add", "aten::tanh"} <= {span.name for span in seen.whole.operators}
    assert not any("kernel" in span.name for span in seen.whole.operators)


def test_a_foreach_optimizer_launches_less_than_a_loop_and_a_fused_one_less_than_that() -> None:
    launches = {}
    for variant in ("adamw-for-loop", "adamw-foreach", "adamw-fused", CAPTURABLE):
        asked = case("transformer", question="decay_groups", mode="train", variant=variant)
        try:
            step = load_question("decay_groups").build(asked, "one group", build(asked))
        except UnsupportedError as error:
            pytest.fail(f"{variant}: {error}")
        part = Observation(step).part("optimizer")
        assert part is not None
        launches[variant] = len(part.launches)

    print(launches)
    assert launches["adamw-for-loop"] > launches["adamw-foreach"] > launches["adamw-fused"] > 0
    assert launches[CAPTURABLE] > 0


# Time


def wide(device: Device, layers: int = 8, width: int = 4096) -> Callable[[], object]:
    """Return a step of some milliseconds in a few launches: the device limits it."""
    module = nn.Sequential(*(nn.Linear(width, width) for _ in range(layers))).to(device.name)
    inputs = torch.randn(512, width, device=device.name)

    def call() -> object:
        with torch.no_grad():
            return module(inputs)

    return call


def narrow(device: Device, launches: int = 200) -> Callable[[], object]:
    """Return a step of many launches that the device does in less time than the host issues them."""
    tensor = torch.ones(64, device=device.name)

    def call() -> object:
        for _ in range(launches):
            tensor.mul_(1.0)
        return tensor

    return call


def timed(device: Device, call: Callable[[], object], budget: float = 1.0) -> DevicePass:
    sides = [Side((("call", call),)) for _ in range(2)]
    for side in sides:
        for _ in range(3):
            side.call()
    costs = []
    for _ in range(20):
        device.synchronize()
        start = time.perf_counter()
        call()
        device.synchronize()
        costs.append(time.perf_counter() - start)
    waits = waits_on_device(step_of(call), device)
    facts = PairFacts(statistics.median(costs), waits.count, waits.count, waits.places)
    return device_pass(Pair(*sides, Random(0)), device, Random(1), budget, facts=facts)


def step_of(call: Callable[[], object]) -> Step:
    return Step((Part("call", call),), Model(nn.Linear(1, 1), ()), call)


def median_of(found: DevicePass, metric: str) -> float:
    return next(median_seconds(samples.arm) for samples in found.samples if samples.metric == metric)


def replayed(device: Device, call: Callable[[], object], replays: int = 20) -> float:
    """Return the device's seconds of a call, from a CUDA graph that holds it: nothing of the host is in it.

    Source: torch.cuda.graph, whose documentation asks for a warm-up on a side stream.
    """
    side_stream = torch.cuda.Stream()
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side_stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    costs = []
    for _ in range(replays):
        device.synchronize()
        occupy(device, 2e-4)  # what launching the graph takes is not in it either
        start = device.record()
        graph.replay()
        end = device.record()
        device.synchronize()
        costs.append(device.seconds(start, end))
    return statistics.median(costs)


def test_the_time_between_events_is_that_of_a_graph_within_2_percent(device: Device) -> None:
    call = wide(device)
    found, graph = timed(device, call), replayed(device, call)
    events = median_of(found, "device time")

    print(f"events {events * 1e6:.1f} us, graph {graph * 1e6:.1f} us: {events / graph - 1:+.2%}")
    assert graph > 1e-3  # long enough beside what an event resolves
    assert events == pytest.approx(graph, rel=0.02)
    assert found.notes[0].startswith("the device limits")


def test_a_step_of_many_small_launches_is_limited_by_the_host(device: Device) -> None:
    found = timed(device, narrow(device))

    print(found.notes[0])
    assert found.notes[0].startswith("the host limits")
    assert median_of(found, "host time") > median_of(found, "device busy time")


def test_the_device_works_as_long_as_a_graph_replays_within_5_percent(device: Device) -> None:
    call = wide(device)
    busy, graph = median_of(timed(device, call), "device busy time"), replayed(device, call)

    print(f"busy {busy * 1e6:.1f} us, graph {graph * 1e6:.1f} us: {busy / graph - 1:+.2%}")
    assert busy == pytest.approx(graph, rel=0.05)


def test_a_step_that_reads_a_value_back_is_said_to_wait(device: Device) -> None:
    tensor = torch.ones((), device=device.name)
    found = timed(device, lambda: (tensor.mul(2).item(), tensor.mul(2)), budget=0.3)

    print(found.notes[0])
    assert found.notes[0].startswith("waits limit: the host waits for the device once a call, at ")
    assert "test_on_cuda.py" in found.notes[0]
    assert {samples.metric for samples in found.samples} == {"device busy time", "host time"}


def test_a_cold_cache_costs_a_step_that_fits_into_a_hot_one(device: Device) -> None:
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    tensor = torch.ones(cache // 4 // 4, device=device.name)  # floats that fill a quarter of it
    found = timed(device, tensor.sum)
    hot, cold = median_of(found, "device time"), median_of(found, "device time, cold cache")

    print(f"hot {hot * 1e6:.1f} us, cold {cold * 1e6:.1f} us")
    assert cold > 1.1 * hot


def test_work_of_a_known_amount_takes_in_proportion(device: Device) -> None:
    def seconds(number: int) -> float:
        costs = []
        for _ in range(9):
            device.synchronize()
            start = device.record()
            device.count(number)
            end = device.record()
            device.synchronize()
            costs.append(device.seconds(start, end))
        return statistics.median(costs)

    base = 1 << 28
    once, twice, thrice = (seconds(number * base) for number in (1, 2, 3))
    assert thrice - twice == pytest.approx(twice - once, rel=0.1)  # a launch has a fixed part besides
    assert twice - once == pytest.approx(device.seconds_a_count * base, rel=0.1)


class Counted:
    """A model's forward pass with work of a known amount after it, on the device that runs it."""

    def __init__(self, model: Model, device: Device, number: int) -> None:
        self.model, self.device, self.number = model, device, number

    def __call__(self) -> object:
        left = self.model()
        self.device.count(self.number)
        return left

    def relocate(self, rng: Random) -> object:
        return self.model.relocate(rng)


def pair_of(device: Device, planted: float, seed: int) -> Verdict:
    """Judge a model against a copy of it, with so much more work planted on the copy."""
    models = [build(case("mlp-relu", batch_size=2048), seed) for _ in range(2)]
    call = models[0]
    clock = clock_for(device.name)
    for _ in range(5):
        call()
    start = clock()
    for _ in range(20):
        call()
    took = (clock() - start) / 20
    base = math.ceil(took / device.seconds_a_count)  # as much again, so that both sides end in a kernel
    reference = Counted(models[0], device, base)
    arm = Counted(models[1], device, base + round(2 * took * planted / device.seconds_a_count))
    return judge_samples(time_pair(reference, arm, 0.5, Random(seed), clock)).verdict


def told(seed: int, verdict: Verdict) -> Verdict:
    """Print how far a test of a minute is, which `-s` shows while it runs."""
    print(f"pair {seed}: {verdict}", flush=True)
    return verdict


@pytest.mark.slow
def test_a_planted_percent_is_found(device: Device) -> None:
    verdicts = [told(seed, pair_of(device, 0.01, seed)) for seed in range(20)]

    print(f"+1 % found: {verdicts.count(Verdict.WORSE)} of {len(verdicts)}")
    assert verdicts.count(Verdict.WORSE) >= 18
    assert Verdict.BETTER not in verdicts


@pytest.mark.slow
def test_at_most_one_percent_of_equal_pairs_raise_an_alarm(device: Device) -> None:
    """With 100 pairs, 5 alarms or more have a chance of 0.4 % at 1 %."""
    verdicts = [told(seed, pair_of(device, 0.0, seed)) for seed in range(100)]
    alarms = verdicts.count(Verdict.WORSE) + verdicts.count(Verdict.BETTER)

    print(f"false alarms: {alarms} of {len(verdicts)}")
    assert alarms <= 4


# The whole


def arm_of(question: str, name: str, arm: str, **changes: object) -> ArmResult:
    asked = case(name, question=question, **changes)
    return measure_arm(load_question(question), asked, arm, Settings(budget=0.2, detail=True))


def test_an_arm_has_its_times_its_notes_and_its_allocators_numbers() -> None:
    result = arm_of("grad_mode", "mlp-relu", "no_grad")

    assert [samples.metric for samples in result.timings] == [
        "time",
        "device busy time",
        "device time",
        "device time, cold cache",
        "host time",
    ]
    assert result.notes
    assert {"allocated peak", "reserved peak", "allocator retries", "workspace", "kernel launches"} <= (
        result.counts.keys()
    )


def test_an_lstm_is_moved_without_a_warning_and_without_more_launches() -> None:
    """Its weights lie in one block, which moving them one by one takes apart."""
    model = build(case("lstm"))
    before = len(Observation(forward_step(model)).whole.launches)
    model.relocate(Random(0))

    assert len(Observation(forward_step(model)).whole.launches) == before


@pytest.mark.parametrize("question", ["grad_mode", "freezing", "decay_groups"])
def test_every_default_cell_of_a_question_is_measured_or_refused(question: str) -> None:
    asked = load_question(question)
    entry = resolve("transformer")
    for cell in asked.cells(entry, False):  # noqa: FBT003 (the protocol's flag)
        if not cell.is_for("cuda"):
            continue
        for arm in asked.arms(entry):
            where = Case(
                question=question, model="transformer", device="cuda", mode=cell.mode, variant=cell.variant
            )
            try:
                result = measure_arm(asked, where, arm, Settings(budget=0))
            except UnsupportedError:
                continue
            assert result.books is not None
            assert result.books.unaccounted == 0, (cell, arm)
