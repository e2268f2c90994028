"""The door through pytest: options, refusals, and that nothing finished is lost."""

import errno
import gc
import json
import os
import re
import sys
from pathlib import Path

import pytest
from fakes import fake_entry, nan_entry
from torch import nn

import harness.report.page  # noqa: F401 (pytester unloads what is new after each suite, matplotlib too)
from harness.judge.looks import Looks
from harness.judge.times import round_seconds, times_of
from harness.measure.block import TimingBlock
from harness.measure.case import measure_arm
from harness.measure.environment import environment
from harness.measure.probes import METRICS
from harness.measure.runner import Settings
from harness.record.schema import ArmResult, Case, Record, Run
from harness.record.store import load_run
from harness.report.tables import question_page
from harness.workload.models import MODELS
from harness.workload.questions import decay_groups, load_question
from harness.workload.sources import build

pytestmark = pytest.mark.process

pytest_plugins = ["pytester"]

BENCH = """
import pytest

@pytest.mark.harness_question("{question}")
def test_{question}(harness_measure, question, case, arm):
    harness_measure(question, case, arm)
"""


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load what sessions load: pytester unloads what is new after each, and torch cannot be loaded twice."""
    build(Case(question="grad_mode", model="hf:bert-tiny"))
    case = Case(question="freezing", model="linear", mode="train")
    result = measure_arm(load_question("freezing"), case, "all trainable", Settings(budget=0.01))
    record = Record(case=case, asks="?", reference="all trainable", arms=(result,))
    question_page(Run(id="", environment=environment("cpu"), metrics=METRICS, records=(record,)), "freezing")


@pytest.fixture
def bench(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a folder with a benchmark of the grad modes."""
    pytester.makepyfile(test_bench=BENCH.format(question="grad_mode"))
    return pytester


# Plugins that take seconds to load, and that each session would load anew.
QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio")]


def run(pytester: pytest.Pytester, *options: str, budget: str = "0.05") -> pytest.RunResult:
    budgets = ["--harness-budget", budget] if budget else []
    return pytester.runpytest_inprocess(*QUICK, *budgets, *options, no_reraise_ctrlc=True)


def run_file(pytester: pytest.Pytester) -> Run:
    (path,) = (pytester.path / "results" / "runs").glob("*.json")
    return load_run(path)


def arms(run: Run) -> list[tuple[str, str]]:
    return [(arm.arm, arm.status) for record in run.records for arm in record.arms]


def test_a_session_measures_every_arm_and_writes_a_run_and_a_table(bench: pytest.Pytester) -> None:
    result = run(bench, "--harness-models", "linear", "--benchmark-only")
    kept = run_file(bench)

    result.assert_outcomes(passed=3)
    assert arms(kept) == [("grad", "ok"), ("no_grad", "ok"), ("inference_mode", "ok")]
    assert kept.complete
    assert kept.records[0].case.id == "grad_mode/linear/eval/cpu-float32-b16"
    assert all(arm.timings[0].unit == "draw" for arm in kept.records[0].arms)
    table = (bench.path / "results" / "tables" / "cpu" / "grad_mode.md").read_text()
    assert "# What does recording the graph cost a forward pass?" in table
    assert "books balance: 0 B unaccounted" in table
    result.stdout.fnmatch_lines(
        [
            "*autograd-harness*",
            "torch *",
            "a round scatters by *",
            "What does recording the graph cost a forward pass: *",
            "all times: *, of 2 contrasts",
            "A/A controls: * of 1 *",
            "books: every byte accounted for in 3 of 3 arms",
            "tables: *tables; page: *index.html; record: *.json; all tables here with -v",
        ]
    )
    assert not list((bench.path / "results" / "runs").glob("*.partial"))


def test_tables_are_on_the_terminal_when_asked_for_and_the_page_is_a_file(bench: pytest.Pytester) -> None:
    result = run(bench, "--harness-models", "linear", "-v", budget="0")

    result.stdout.fnmatch_lines(["linear, eval, float32, batch 16", "arm *", "grad *", "books balance: *"])
    assert "<html" in (bench.path / "results" / "index.html").read_text()


def test_a_selection_is_timed_against_the_reference_that_was_not_selected(bench: pytest.Pytester) -> None:
    run(bench, "--harness-models", "linear", "-k", "no_grad")
    (record,) = run_file(bench).records

    assert (record.reference, [arm.arm for arm in record.arms]) == ("grad", ["no_grad"])
    assert record.arms[0].timings[0].reference


def test_arms_are_held_against_the_same_reference_in_whatever_order_tests_run(bench: pytest.Pytester) -> None:
    bench.makeconftest("def pytest_collection_modifyitems(items): items.reverse()")
    run(bench, "--harness-models", "linear", budget="0")
    (record,) = run_file(bench).records

    assert record.reference == "grad"
    assert [arm.arm for arm in record.arms] == ["grad", "no_grad", "inference_mode"]


def test_the_time_of_a_session_is_shared_out_and_what_is_left_goes_to_later_cases(
    bench: pytest.Pytester,
) -> None:
    run(bench, "--harness-models", "linear,mlp-relu", "--harness-time", "3", budget="")
    records = run_file(bench).records
    spent = [sum(timing.measured_s for arm in record.arms for timing in arm.timings) for record in records]
    # The first may take half of it, and the second what is left.
    assert sum(spent) < 3
    assert all(arm.timings for record in records for arm in record.arms)


def test_no_time_at_all_is_exact_numbers_alone(bench: pytest.Pytester) -> None:
    run(bench, "--harness-models", "linear", "--harness-time", "0", budget="")

    assert not any(arm.timings for arm in run_file(bench).records[0].arms)


def test_the_table_of_pytest_benchmark_says_what_the_tables_say(bench: pytest.Pytester) -> None:
    run(bench, "--harness-models=mlp-relu", "--benchmark-json=out.json")
    run_of_session = run_file(bench)
    told = {
        item["extra_info"]["arm"]: item["stats"]["median"]
        for item in json.loads((bench.path / "out.json").read_text())["benchmarks"]
    }
    shown = {
        arm: seconds
        for (arm, metric), seconds in times_of(run_of_session.records[0]).items()
        if metric == "time"
    }

    assert told == pytest.approx(shown, rel=1e-6)


def test_the_command_that_measured_is_in_the_run(bench: pytest.Pytester) -> None:
    run(bench, "--harness-models", "linear", budget="0")

    given = " ".join((*QUICK, "--harness-budget 0 --harness-models linear"))
    assert run_file(bench).command == f"pytest {given}"


def test_a_session_without_benchmarks_writes_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    result = run(pytester, budget="")

    result.assert_outcomes(passed=1)
    assert "= autograd-harness =" not in result.stdout.str()
    assert not (pytester.path / "results").exists()


def test_options_reach_the_case(bench: pytest.Pytester) -> None:
    options = ["--harness-models=mlp-relu,linear", "--harness-dtype=float64", "--harness-batch-size=3"]
    run(bench, *options, "--harness-results=elsewhere", budget="0")
    (path,) = (bench.path / "elsewhere" / "runs").glob("*.json")

    assert [record.case.id for record in load_run(path).records] == [
        "grad_mode/mlp-relu/eval/cpu-float64-b3",
        "grad_mode/linear/eval/cpu-float64-b3",
    ]


def test_every_option_has_an_ini_key(bench: pytest.Pytester) -> None:
    bench.makeini(
        """
        [pytest]
        harness_models = linear
        harness_budget = 0
        harness_dtype = float64
        harness_batch_size = 5
        harness_threads = 2
        harness_results = there
        """
    )
    run(bench, budget="")
    (path,) = (bench.path / "there" / "runs").glob("*.json")
    kept = load_run(path)

    assert [record.case.id for record in kept.records] == ["grad_mode/linear/eval/cpu-float64-b5"]
    assert kept.environment.threads == 2
    assert not kept.records[0].arms[0].timings


def test_where_the_plugin_is_switched_off_a_projects_options_still_have_their_names(
    bench: pytest.Pytester,
) -> None:
    bench.makeini("[pytest]\naddopts = --harness-results there --strict-config\nharness_models = linear\n")
    bench.makepyfile(test_bench="def test_other(): pass")
    result = run(bench, "-p", "no:harness", budget="1")

    result.assert_outcomes(passed=1)


def test_the_command_line_comes_before_the_ini_file(bench: pytest.Pytester) -> None:
    bench.makeini("[pytest]\nharness_models = nonsense\nharness_budget = 5\n")
    run(bench, "--harness-models", "linear", budget="0")

    assert run_file(bench).records[0].case.model == "linear"


def test_help_lists_the_options(pytester: pytest.Pytester) -> None:
    text = run(pytester, "--help", budget="").stdout.str()

    assert {"--harness-models", "--harness-device", "--harness-budget", "--harness-results"} <= set(
        re.findall(r"--harness-[a-z-]+", text)
    )


REFUSED = [
    (("--harness-models=mlp",), "no model 'mlp'; there are linear, mlp-relu,"),
    (("--harness-models=linear,all",), "no model 'all'; there are "),
    (("--harness-device=tpu",), "no device 'tpu'; there are cpu and cuda"),
    (("--harness-batch-size=0",), "a batch size of 0 holds no example; give 1 or more"),
    (("--harness-batch-size=many",), "'many' are not batch sizes; write 8, or 1,2,4,8"),
    (("--harness-budget=-1",), "a budget of -1 s cannot be spent; give 0 or more seconds"),
    (("--harness-budget=nan",), "a budget of nan s cannot be spent; give 0 or more seconds"),
    (("--harness-dtype=float8",), "no dtype 'float8'; there are float32, float64,"),
    (("--harness-threads=-1",), "-1 threads cannot run; give 0 (torch's own choice) or more"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_bad_usage_is_one_line_and_exit_status_4_before_anything_is_measured(
    bench: pytest.Pytester, options: tuple[str, ...], message: str
) -> None:
    result = run(bench, *options, budget="")

    assert result.ret == pytest.ExitCode.USAGE_ERROR == 4
    assert message in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert not (bench.path / "results").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("models", "mlp", "no model 'mlp'; there are linear,"),
        ("device", "tpu", "no device 'tpu'; there are cpu and cuda"),
        ("budget", "long", "'long' is not a number; write 0.5, or 2"),
        ("batch_size", "0", "a batch size of 0 holds no example; give 1 or more"),
    ],
)
def test_bad_usage_in_the_ini_file_is_the_same(
    bench: pytest.Pytester, key: str, value: str, message: str
) -> None:
    bench.makeini(f"[pytest]\nharness_{key} = {value}\n")
    result = run(bench, budget="")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert not (bench.path / "results").exists()


def test_cuda_where_there_is_none_is_refused(bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = run(bench, "--harness-device=cuda")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "device 'cuda' was asked for, but this torch sees no CUDA device; cpu works" in result.stderr.str()


def test_an_unknown_memory_format_is_refused(bench: pytest.Pytester) -> None:
    result = run(bench, "--harness-memory-format=nhwc")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no memory format 'nhwc'; there is channels_last" in result.stderr.str()


def test_an_unknown_question_is_refused_before_anything_is_measured(bench: pytest.Pytester) -> None:
    bench.makepyfile(test_other=BENCH.format(question="why"))
    result = run(bench, "--harness-models=linear")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no question 'why'; there are " in result.stderr.str()
    assert not (bench.path / "results").exists()


@pytest.mark.parametrize("models", ["", "all", "linear,hf:bert-tiny"])
def test_a_missing_extra_is_refused_before_anything_is_measured(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, models: str
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    result = run(bench, *([f"--harness-models={models}"] if models else []))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "needs transformers: pip install 'transformers>=4.41'" in result.stderr.str()
    assert not (bench.path / "results").exists()


def fail_in(name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_module: nn.Module) -> None:
        raise error

    monkeypatch.setitem(MODELS, name, fake_entry(name, fail))


def test_a_case_that_raises_is_recorded_with_its_reason_and_the_rest_goes_on(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in("broken", RuntimeError("out of memory: tried to allocate 1 TiB\nand a long story"), monkeypatch)
    result = run(bench, "--harness-models=broken,linear", budget="0")
    kept = run_file(bench)

    result.assert_outcomes(failed=3, passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert kept.complete
    assert [arm.reason for arm in kept.records[0].arms] == [
        "RuntimeError: out of memory: tried to allocate 1 TiB"
    ] * 3
    assert arms(kept)[3:] == [("grad", "ok"), ("no_grad", "ok"), ("inference_mode", "ok")]
    result.stdout.fnmatch_lines(["failed: grad_mode/broken/*, grad: RuntimeError*"])
    assert "failed: RuntimeError: out of memory" in (
        bench.path / "results" / "tables" / "cpu" / "grad_mode.md"
    ).read_text().replace("\\", "")


def test_an_arm_that_torch_refuses_is_skipped_with_its_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **options: object) -> None:
        raise RuntimeError(f"`fused` is for CUDA alone\n{options}")

    pytester.makepyfile(test_bench=BENCH.format(question="decay_groups"))
    monkeypatch.setattr(decay_groups, "AdamW", refuse)
    result = run(pytester, "--harness-models=linear", budget="0")
    kept = run_file(pytester)

    result.assert_outcomes(skipped=6)
    assert {status for _, status in arms(kept)} == {"skipped"}
    assert kept.records[0].arms[0].reason == "torch refuses adamw-foreach: `fused` is for CUDA alone"


def test_an_interrupt_in_the_middle_keeps_what_is_finished(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in("endless", KeyboardInterrupt(), monkeypatch)
    result = run(bench, "--harness-models=linear,endless,lstm", budget="0")
    kept = run_file(bench)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [record.case.model for record in kept.records] == ["linear"]
    assert arms(kept) == [("grad", "ok"), ("no_grad", "ok"), ("inference_mode", "ok")]
    assert not kept.complete


def test_a_process_that_is_killed_leaves_its_finished_records(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Run] = []

    def look(_module: nn.Module) -> None:
        (partial,) = (bench.path / "results" / "runs").glob("*.partial")
        seen.append(load_run(partial))

    monkeypatch.setitem(MODELS, "last", fake_entry("last", look))
    run(bench, "--harness-models=linear,last", budget="0")

    assert arms(seen[0]) == [("grad", "ok"), ("no_grad", "ok"), ("inference_mode", "ok")]
    assert not seen[0].complete


def test_a_read_only_results_folder_says_so_before_anything_is_measured(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[nn.Module] = []
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", ran.append))
    make = Path.mkdir

    def refuse(path: Path, *args: int, **options: bool) -> None:
        if path.suffix == ".partial":
            raise OSError(errno.EROFS, "Read-only file system")
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    result = run(bench, "--harness-models=fake")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*cannot be made: Read-only file system*"])
    assert ran == []


def test_a_disk_that_fills_up_stops_the_session_and_keeps_the_records(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(_module: nn.Module) -> None:
        def full(_handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)

    monkeypatch.setitem(MODELS, "last", fake_entry("last", fill_the_disk))
    result = run(bench, "--harness-models=linear,last", budget="0")
    monkeypatch.undo()
    (partial,) = (bench.path / "results" / "runs").iterdir()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot be written: No space left on device" in result.stdout.str() + result.stderr.str()
    assert [record.case.model for record in load_run(partial).records] == ["linear"]
    assert {path.suffix for path in partial.iterdir()} == {".json"}


def test_an_output_that_is_no_number_is_a_warning_in_its_row(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "nan", nan_entry("nan"))
    result = run(bench, "--harness-models=nan", budget="0")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["warning: *, grad: the model's output holds NaN"])
    assert {arm.warnings for arm in run_file(bench).records[0].arms} == {("the model's output holds NaN",)}


def test_an_existing_run_file_is_never_overwritten(bench: pytest.Pytester) -> None:
    for _ in range(2):
        run(bench, "--harness-models=linear", budget="0")

    assert len(list((bench.path / "results" / "runs").glob("*.json"))) == 2


def test_disabled_benchmarks_take_the_exact_metrics_alone(bench: pytest.Pytester) -> None:
    result = run(bench, "--harness-models=mlp-relu", "--benchmark-disable", budget="60")
    grad = run_file(bench).records[0].arms[0]

    result.assert_outcomes(passed=3)
    assert (grad.counts["peak"], grad.counts["retained"]) == (393216, 264704)
    assert grad.timings == ()


def test_the_metrics_are_in_the_extra_info_and_the_seconds_are_those_of_a_call(
    bench: pytest.Pytester,
) -> None:
    run(bench, "--harness-models=mlp-relu", "--benchmark-json=out.json", "--benchmark-save-data")
    written = json.loads((bench.path / "out.json").read_text())["benchmarks"]
    kept = {arm.arm: arm for arm in run_file(bench).records[0].arms}

    assert [benchmark["extra_info"]["arm"] for benchmark in written] == ["grad", "no_grad", "inference_mode"]
    assert written[0]["extra_info"]["case"] == "grad_mode/mlp-relu/eval/cpu-float32-b64"
    assert written[0]["extra_info"]["peak"] == 393216
    assert {benchmark["group"] for benchmark in written} == {"grad_mode/mlp-relu/eval/cpu-float32-b64"}
    for benchmark in written:
        arm = kept[benchmark["extra_info"]["arm"]]
        seconds = round_seconds(run_file(bench).records[0], arm)
        assert benchmark["stats"]["rounds"] == len(seconds)
        assert sum(benchmark["stats"]["data"]) == pytest.approx(sum(seconds))


def test_no_collector_tracer_or_profile_function_is_active_while_a_block_is_timed(
    bench: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    timing: list[bool] = []
    seen: list[tuple[bool, object, object]] = []
    time_block = TimingBlock.run

    def watched(self: TimingBlock, budget: float, looks: Looks, control: str = "") -> None:
        timing.append(True)
        time_block(self, budget, looks, control)
        timing.pop()

    def look(_module: nn.Module) -> None:
        if timing:
            seen.append((gc.isenabled(), sys.gettrace(), sys.getprofile()))

    monkeypatch.setattr(TimingBlock, "run", watched)
    monkeypatch.setitem(MODELS, "fake", fake_entry("fake", look))
    run(bench, "--harness-models=fake")

    assert len(seen) > 100
    assert set(seen) == {(False, None, None)}


def test_most_of_the_timing_pass_is_spent_inside_samples(bench: pytest.Pytester) -> None:
    """A guard against a broken driver, far from the target, which a benchmark prints."""
    run(bench, "--harness-models=mlp-relu", "-k", "no_grad", budget="0.3")
    (samples,) = run_file(bench).records[0].arms[0].timings

    assert 0.05 < samples.measured_s / samples.pass_s < 1


def test_the_arms_of_a_case_are_counted_alike_in_every_session(bench: pytest.Pytester) -> None:
    def counts() -> list[ArmResult]:
        run(bench, "--harness-models=convnet", "--harness-results=again", budget="0")
        newest = max((bench.path / "again" / "runs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [arm for record in load_run(newest).records for arm in record.arms]

    assert counts() == counts()
