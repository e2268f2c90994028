"""One model measured whole: what is asked, what is kept when something fails, what the JSON holds."""

import dataclasses

import pytest
import torch
from torch import nn

from harness import measure_model
from harness.errors import HarnessError
from harness.measurement import Measurement
from harness.record.codec import decode_run, encode
from harness.report.attribution import memory_sentence
from harness.setting import parse_bytes, parse_sizes
from harness.workload.model import Model, WorkloadError

pytestmark = pytest.mark.process


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.GELU()) for _ in range(4))
        self.head = nn.Linear(16, 2)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden)


def _net(batch_size: int = 4) -> Model:
    return Model(_Net(), (torch.randn(batch_size, 16),))


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure_model(
        _net, budget=0, batch_sizes=(4, 8), memory_limit="64KiB", questions=("grad_mode", "freezing")
    )


def test_every_question_is_asked_at_every_batch_size_and_the_curve_at_the_first(
    measured: Measurement,
) -> None:
    asked = [(record.case.question, record.case.batch_size) for record in measured.run.records]
    assert asked == [
        ("grad_mode", 4),
        ("freezing", 4),
        ("freezing_curve", 4),
        ("grad_mode", 8),
        ("freezing", 8),
    ]
    assert (measured.run.complete, measured.problems, measured.notes) == (True, (), ())
    statuses = {arm.status for record in measured.run.records for arm in record.arms}
    assert statuses == {"ok"}


def test_all_books_balance_and_every_attribution_is_its_peak(measured: Measurement) -> None:
    attributed = 0
    for record in measured.run.records:
        for arm in record.arms:
            assert arm.books is not None
            assert arm.books.unaccounted == 0
            if arm.attribution is not None:
                attributed += 1
                assert arm.attribution.above_start == arm.counts["peak"]
                assert sum(share.bytes for share in arm.attribution.shares) == arm.attribution.peak
                assert sum(share.bytes for share in arm.saved) == arm.counts["saved"]
    assert attributed == 4


def test_the_sentence_holds_the_numbers_that_the_json_holds(measured: Measurement) -> None:
    record = decode_run(encode(measured.run)).records[0]
    # Each block keeps the result of its Linear for GELU, and that of GELU for the Linear that follows.
    assert record.arms[0].counts["saved"] == 8 * (4 * 16 * 4)
    assert (
        memory_sentence(record) == "no_grad saves 2 KiB of what a pass holds, and lowers its peak by"
        " 1.281 KiB: of what is saved for backward, 50 % is GELU in blocks 0 to 3, 38 % Linear in blocks"
        " 1 to 3, 12 % Linear in head"
    )


def test_the_curve_falls_from_block_to_block(measured: Measurement) -> None:
    curve = measured.record("freezing_curve")
    assert [arm.axis for arm in curve.arms] == [0, 1, 2, 3, 4]
    saved = [arm.counts["saved"] for arm in curve.arms]
    assert saved == sorted(saved, reverse=True)
    assert saved[-1] == 4 * 16 * 4 + 4 * 2 * 4  # the head's input, and the output that the loss squares
    assert [arm.axis for arm in measured.record("freezing").arms] == [None] * 6


def test_the_largest_batch_was_run_and_so_was_the_next(measured: Measurement) -> None:
    (fit,) = measured.run.fits
    assert fit.peaks[fit.case.batch_size] <= 64 * 1024 < fit.peaks[fit.case.batch_size + 1]


def test_text_and_page_say_what_was_measured(measured: Measurement) -> None:
    text = str(measured)
    assert "no_grad saves 2 KiB" in text
    assert "Freezing curve, batch 4" in text
    assert "Against batch size" in text
    assert max(map(len, text.splitlines())) <= 110
    frame = measured._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert "<script" not in frame
    assert "&lt;!doctype html&gt;" in frame


def test_a_module_at_hand_is_measured_and_stays_as_it_is() -> None:
    module = nn.Linear(8, 4)
    before = module.weight.detach().clone()
    found = measure_model(module, torch.randn(3, 8), budget=0, questions=("grad_mode", "freezing"))
    assert found.record("grad_mode").case.batch_size == 3
    assert torch.equal(module.weight, before)
    assert module.weight.requires_grad
    assert module.weight.grad is None
    assert "no row of blocks" in found.notes[0]
    with pytest.raises(HarnessError, match="no 'freezing_curve' was measured; there are grad_mode, freezing"):
        found.record("freezing_curve")


def test_a_module_without_parameters_is_asked_what_can_be_asked() -> None:
    class Shifts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("shift", torch.ones(4))

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch + self.shift

    for module in (nn.ReLU(), Shifts()):
        found = measure_model(module, torch.randn(2, 4), budget=0)
        assert [record.case.question for record in found.run.records] == ["grad_mode"]
        assert found.notes == ("nothing is asked of training: the model has no trainable parameter",)
        assert found.problems == ()


@dataclasses.dataclass
class _Out:
    logits: torch.Tensor
    extra: dict[str, tuple[torch.Tensor, ...]]


class _Odd(nn.Module):
    """Tied weights, a module called twice, in-place operations, keyword inputs, a dataclass as output."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True))
        self.head = nn.Linear(8, 10, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, *, ids: torch.Tensor, scale: float) -> _Out:
        hidden = self.embed(ids)
        hidden = self.body(hidden) + self.body(hidden)
        hidden.mul_(scale)
        return _Out(self.head(hidden), {"hidden": (hidden,)})


def test_odd_models_are_measured_like_others() -> None:
    ids = torch.randint(0, 10, (2, 3))
    found = measure_model(
        Model(_Odd(), {"ids": ids, "scale": 0.5}), budget=0, questions=("grad_mode", "freezing")
    )
    assert found.problems == ()
    for record in found.run.records:
        for arm in record.arms:
            assert arm.status == "ok"
            assert arm.books is not None
            assert arm.books.unaccounted == 0


class _BreaksAt(nn.Module):
    def __init__(self, breaks_at: int, size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.breaks_at, self.size = breaks_at, size

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) == self.breaks_at:
            torch.empty(self.size)
        return self.layer(batch)


def test_out_of_memory_at_one_batch_size_leaves_the_others() -> None:
    def make(batch_size: int = 2) -> Model:
        return Model(_BreaksAt(8, 2**50), (torch.randn(batch_size, 4),))

    found = measure_model(make, budget=0, batch_sizes=(2, 8, 4), questions=("grad_mode",), curve=False)
    assert [record.arms[0].status for record in found.run.records] == ["ok", "failed", "ok"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(
        "batch size 8: the model's forward pass, in the model itself (_BreaksAt), ran out"
    )


class _NeedsGrad(nn.Module):
    """Works in some arms only."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if torch.is_inference_mode_enabled():
            raise RuntimeError("not in inference mode\nbecause")
        return self.layer(batch)


def test_an_arm_that_fails_is_kept_with_its_reason_beside_those_that_do_not() -> None:
    found = measure_model(_NeedsGrad(), torch.randn(2, 4), budget=0, questions=("grad_mode",), curve=False)
    assert {arm.arm: arm.status for arm in found.record("grad_mode").arms} == {
        "grad": "ok",
        "no_grad": "ok",
        "inference_mode": "failed",
    }
    assert found.problems == (
        "grad_mode/_NeedsGrad/train/cpu-float32-b2, inference_mode: RuntimeError: not in inference mode",
    )


def test_nan_outputs_are_measured_and_said() -> None:
    class Broken(nn.Linear):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return super().forward(batch) * float("nan")

    found = measure_model(Broken(4, 4), torch.randn(2, 4), budget=0, questions=("grad_mode",), curve=False)
    assert "NaN" in found.problems[0]
    assert found.record("grad_mode").arms[0].status == "ok"


def test_timed_arms_have_ratios() -> None:
    found = measure_model(_net, budget=0.02, questions=("grad_mode",), curve=True)
    assert all(arm.timings for record in found.run.records for arm in record.arms)


def test_modes_dtypes_and_losses_are_those_asked_for() -> None:
    found = measure_model(
        _net, budget=0, questions=("freezing",), curve=False, mode="eval", dtype="autocast", loss="sum"
    )
    (record,) = found.run.records
    assert (record.case.mode, record.case.dtype) == ("eval", "autocast")
    assert all(arm.books is not None and arm.books.unaccounted == 0 for arm in record.arms)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"dtype": "float8"}, "no dtype 'float8'"),
        ({"budget": -1}, "a budget of -1 s cannot be spent"),
        ({"budget": float("nan")}, "a budget of nan s cannot be spent"),
        ({"questions": ("why",)}, "no question 'why'; there are"),
        ({"batch_sizes": (0,)}, "a batch size of 0 holds no example"),
        ({"mode": "test"}, "no mode 'test'"),
        ({"memory_limit": "much"}, "'much' is not an amount of memory"),
        ({"loss": "mse"}, "no loss 'mse'"),
    ],
)
def test_bad_usage_is_refused_in_one_line(options: dict[str, object], line: str) -> None:
    with pytest.raises(HarnessError, match=line):
        measure_model(_net, **options)


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(WorkloadError, match="a module needs its inputs beside it"):
        measure_model(nn.Linear(2, 2))
    with pytest.raises(WorkloadError, match="an object of class int is no target"):
        measure_model(3)


def test_sizes_are_read_with_their_units() -> None:
    assert parse_bytes("1.5KiB") == 1536
    assert parse_bytes("100B") == 100
    assert parse_sizes("4") == (4,)
    assert parse_sizes("1, 2,2") == (1, 2)
    for text in ("0", "-3GB", "8 Gib", "GiB", ""):
        with pytest.raises(HarnessError):
            parse_bytes(text)
    for text in ("1,,2", "two"):
        with pytest.raises(HarnessError):
            parse_sizes(text)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)  # torch's own
def test_a_compiled_module_is_measured_and_what_cannot_be_compared_is_said() -> None:
    def make() -> tuple[nn.Module, torch.Tensor]:
        return torch.compile(nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 4))), torch.randn(4, 8)

    found = measure_model(make, budget=0, questions=("grad_mode",))
    assert found.problems == ()
    assert any("the model is compiled" in note for note in found.notes)
    assert [arm.books.unaccounted for arm in found.record("grad_mode").arms if arm.books] == [0, 0, 0]
