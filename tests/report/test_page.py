"""The page of a run: what is on it, that it fetches nothing, and how it looks to a browser."""

import dataclasses
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness.judge.contrasts import contrasts
from harness.record.schema import (
    Allocated,
    ArmResult,
    Attribution,
    Books,
    Case,
    Environment,
    Fit,
    Metric,
    Record,
    Run,
    Samples,
    Share,
)
from harness.report.headline import run_headline
from harness.report.page import run_page
from harness.report.picture import run_picture
from harness.report.plots import curve_plot, ratio_plot
from harness.report.reproduce import case_command
from harness.report.study import CurvePoint, curve_section, fit_line, knee_line, scaling_sections

pytestmark = pytest.mark.process

_EVIL = "<script>alert(1)</script>"


def _timed(reference: float, arm: float, draws: int = 16) -> tuple[Samples, ...]:
    scatter = [1 + 0.001 * (draw % 5) for draw in range(draws)]
    return (
        Samples(
            metric="time",
            calls=3,
            reference=tuple((reference * factor,) for factor in scatter),
            arm=tuple((arm * factor,) for factor in reversed(scatter)),
        ),
    )


def _arm(name: str, peak: int, saved: int, seconds: float, **fields: object) -> ArmResult:
    counts = {"peak": peak, "saved": saved, "retained": saved}
    books = Books(retained=saved, retained_no_grad=0, saved=saved, scalars=0)
    return ArmResult(arm=name, counts=counts, timings=_timed(1e-3, seconds), books=books, **fields)  # type: ignore[arg-type]


_LINE = Allocated(
    parts=("forward", "backward", "optimizer"),
    marks=(0.0, 0.001, 0.003, 0.004),
    times=(0.0005, 0.001, 0.002, 0.0035),
    levels=(4096, 8192, 16384, 0),
)
_ATTRIBUTION = Attribution(
    peak=20_000,
    above_start=16_384,
    part="backward",
    shares=(
        Share(category="saved", bytes=12_000, blocks=3, module="h.0.act", kind="GELU", operator="gelu"),
        Share(category="temporaries", bytes=4_384, blocks=1, operator="mm"),
        Share(category="parameters", bytes=3_616, blocks=2, module="h.0.fc", kind="Linear"),
    ),
)


def _record(question: str, batch_size: int, model: str = "nets:make") -> Record:
    grad = _arm(
        "grad", 16_384 * batch_size, 12_000 * batch_size, 1e-3, attribution=_ATTRIBUTION, allocated=_LINE
    )
    grad = msgspec.structs.replace(grad, saved=_ATTRIBUTION.shares[:1])
    no_grad = _arm("no_grad", 8_192 * batch_size, 0, 0.8e-3, allocated=_LINE)
    case = Case(question=question, model=model, batch_size=batch_size)
    return Record(
        case=case, asks=f"What of {_EVIL}?", reference="grad", columns=("peak", "saved"), arms=(grad, no_grad)
    )


def _curve() -> Record:
    peaks = (40_960, 12_288, 10_240, 8_192)
    arms = tuple(
        _arm(f"first {k} of 3 frozen", peak, peak // 2, 1e-3 * (1 - 0.2 * k), axis=k)
        for k, peak in enumerate(peaks)
    )
    case = Case(question="freezing_curve", model="nets:make", mode="train")
    return Record(case=case, asks="What of freezing?", reference=arms[0].arm, columns=("peak",), arms=arms)


@pytest.fixture(scope="module")
def run() -> Run:
    failed = ArmResult(arm="inference_mode", status="failed", reason=f"no {_EVIL}")
    return Run(
        id="run-1",
        environment=Environment(
            harness="0.1.0",
            torch="2.13.0",
            build="cpu",
            python="3.11.7",
            platform="Linux",
            processor="P",
            cpu_capability="AVX2",
            threads=1,
            interop_threads=1,
            device="2 cores of P",
            commit="0123456789ab",
            started="2026-01-02T03:04:05+00:00",
            load=0.1,
        ),
        metrics=(
            Metric("time", "s", "lower", "noisy", "seconds a call"),
            Metric("peak", "B", "lower", "exact", "highest bytes"),
            Metric("saved", "B", "lower", "exact", "saved bytes"),
            Metric("retained", "B", "lower", "exact", "bytes held when the pass has returned"),
        ),
        records=(_record("grad_mode", 1).with_arm(failed), _curve(), _record("grad_mode", 4)),
        fits=(
            Fit(
                case=Case(question="training step", model="nets:make", batch_size=5),
                limit=1 << 20,
                runs=((1, 200_000), (5, 1_000_000), (6, 1_200_000)),
            ),
        ),
        command="harness measure nets:make --batch-size 1,4",
        floor=0.005,
    )


class _Tags(HTMLParser):
    """Collects what a page would fetch, what it would run, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attributes:
            if name == "id" and value:
                self.ids.append(value)
            local = (value or "").startswith(("#", "data:"))
            if name in {"src", "href", "xlink:href", "srcset", "action", "data"} and not local:
                self.fetched.append(f"{tag} {name}={value}")


def _figures(page: str) -> list[str]:
    """Return the plots that matplotlib drew."""
    return re.findall(r'<svg role="img" aria-label="(?:ratio|curve|scaling|witness)"', page)


def test_the_page_fetches_nothing_and_runs_nothing(run: Run) -> None:
    page = run_page(run)
    tags = _Tags()
    tags.feed(page)
    assert tags.fetched == []
    assert tags.scripts == 0
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_text_from_the_run_is_shown_and_never_interpreted(run: Run) -> None:
    page = run_page(run)
    assert _EVIL not in page
    assert page.count("&lt;script&gt;alert(1)") >= 2


def test_the_ids_of_clip_paths_differ_from_plot_to_plot(run: Run) -> None:
    page = run_page(run)
    clips = re.findall(r'<clipPath id="([^"]+)"', page)
    assert len(clips) == len(set(clips)) > 3


def test_the_page_says_what_was_found(run: Run) -> None:
    page = run_page(run)
    for text in (
        "no_grad lowers the peak by 50 %, 16 KiB to 8 KiB (time: faster by 20 % (20 to 20)); all books",
        "no_grad saves ",
        "20,000 B at the peak of grad, in the backward part",
        "knee at 1: freezing the first 1 saves 28 KiB of the peak; all 3 save 32 KiB of 40 KiB",
        "in 1 MiB is 5: run, it needs 1,000,000 B, and 6 needs 1,200,000 B",
        "inference_mode failed",
        "harness measure nets:make --question grad_mode --device cpu --dtype float32 --batch-size 4",
        "torch 2.13.0 (cpu)",
        "Against batch size",
    ):
        assert text in page, text
    assert page.count('class="areas"') == 4  # two arms of two records
    assert len(_figures(page)) == 4  # the ratios of two records, the curve, and one over batch sizes


def test_plots_take_the_pages_text_colour_and_have_no_ground(run: Run) -> None:
    judged = contrasts(run)[run.records[0].case.id]
    svg = ratio_plot(judged, run.floor)
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "fill: #ffffff" not in svg
    assert svg == ratio_plot(judged, run.floor)  # the same run gives the same page


def test_a_ratio_without_an_interval_is_hollow_and_said_to_be(run: Run) -> None:
    record = run.records[0]
    few = tuple(msgspec.structs.replace(arm, timings=_timed(1e-3, 0.8e-3, draws=2)) for arm in record.arms)
    hurried = msgspec.structs.replace(run, records=(msgspec.structs.replace(record, arms=few),))
    (whole, hollow) = (ratio_plot(contrasts(each)[record.case.id], run.floor) for each in (run, hurried))

    assert "hollow where the rounds are too few for an interval" in run_page(hurried)
    assert "hollow" not in run_page(msgspec.structs.replace(run, records=(record,)))
    assert "fill: #0072b2" in whole
    assert "fill: #0072b2" not in hollow


def test_long_paths_break_at_their_points_alone(run: Run) -> None:
    record = run.records[0]
    share = Share(category="buffers", bytes=20_000, blocks=1, module="encoder.norm", kind="<b>")
    held = dataclasses.replace(_ATTRIBUTION, shares=(share,))
    arm = msgspec.structs.replace(record.arms[0], attribution=held)
    page = run_page(msgspec.structs.replace(run, records=(record.with_arm(arm),)))

    assert "&lt;b&gt; in encoder.<wbr>norm" in page


def test_an_interrupted_run_says_so_and_a_run_without_records_has_a_page(run: Run) -> None:
    stopped = msgspec.structs.replace(run, complete=False)
    assert "interrupted: what was finished is here" in run_page(stopped)
    assert "interrupted" not in run_page(run)
    assert "0 cases" in run_page(msgspec.structs.replace(run, records=(), fits=()))


def test_a_run_of_many_models_is_counted(run: Run) -> None:
    many = msgspec.structs.replace(run, records=(_record("grad_mode", 1), _record("grad_mode", 1, "other")))
    assert run_headline(many) == (
        "Of all, no_grad saves most: for nets:make (eval) it lowers the peak by 50 %, 16 KiB to 8 KiB."
        " 2 cases of 2 models, all books balance; times against their reference: 2 faster."
    )


def test_a_case_is_repeated_by_the_command_that_made_it(run: Run) -> None:
    case = run.records[0].case
    assert case_command(case, command="pytest bench/ --benchmark-only", threads=1, exact=False) == (
        "pytest bench/ --benchmark-only --harness-models nets:make --harness-device cpu"
        " --harness-dtype float32 --harness-batch-size 1 --harness-threads 1 -k grad_mode"
    )
    assert case_command(run.records[1].case, command=run.command, threads=2, exact=False) == (
        "harness measure nets:make --question freezing --device cpu --dtype float32 --batch-size 1"
        " --threads 2 --train --curve"
    )


def test_the_table_of_a_curve_and_of_batch_sizes(run: Run) -> None:
    section = curve_section(run, run.records[1])
    assert [row[:3] for row in section.rows] == [
        ("0", "20 KiB", "40 KiB"),
        ("1", "6 KiB", "12 KiB"),
        ("2", "5 KiB", "10 KiB"),
        ("3", "4 KiB", "8 KiB"),
    ]
    assert section.rows[1][4].startswith("0.800 [")
    (scaling,) = scaling_sections(run)
    assert scaling.rows[:2] == (
        ("grad", "1", "16 KiB", "11.72 KiB", "1 ms", "1 ms"),
        ("grad", "4", "64 KiB", "46.88 KiB", "1 ms", "251 us"),
    )


def test_a_straight_curve_has_no_knee_and_says_what_a_block_saves() -> None:
    points = [CurvePoint(k, 100, 4096 - 1024 * k, 1e-3, None, None, None) for k in range(4)]
    assert (
        knee_line(points) == "no knee: the peak falls evenly, about 1 KiB a block; all 3 save 3 KiB of 4 KiB"
    )
    assert "nothing of the peak" in knee_line([CurvePoint(k, 1, 5, 1e-3, None, None, None) for k in range(3)])
    assert "too few" in knee_line(points[:1])
    untimed = [CurvePoint(k, 100, 4096 - k, float("nan"), None, None, None) for k in range(3)]
    assert "ms a step" not in curve_plot(untimed, "c")


def test_a_curve_marks_its_knee_and_a_straight_one_has_none() -> None:
    bent = [CurvePoint(k, 100, peak, 1e-3, None, None, None) for k, peak in enumerate((4096, 1024, 512, 0))]
    straight = [CurvePoint(k, 100, 4096 - 1024 * k, 1e-3, None, None, None) for k in range(4)]

    assert "knee: 1 frozen, 1 KiB" in curve_plot(bent, "c")
    assert "knee" not in curve_plot(straight, "c")
    assert "ms a step" in curve_plot(bent, "c")


def test_numbers_are_folded_and_what_failed_is_not(run: Run) -> None:
    folded = re.sub(r"<details.*?</details>", "", run_page(run), flags=re.DOTALL)

    assert "inference_mode failed: no &lt;script&gt;" in folded
    assert "A/A control (grad once more)" not in folded
    assert "saves 8 KiB, 50 %" in folded


def test_a_page_without_times_says_what_is_there_and_what_is_not(run: Run) -> None:
    arms = tuple(
        msgspec.structs.replace(arm, timings=(), allocated=None, attribution=None)
        for arm in run.records[0].arms
    )
    bytes_only = msgspec.structs.replace(run, records=(msgspec.structs.replace(run.records[0], arms=arms),))
    page = run_page(bytes_only)

    assert "Here: exact bytes and counts, of 1 case." in page
    assert "Not here: times (nothing was timed: bytes and counts only); the memory of a step over" in page
    assert "Time against the reference" not in page
    assert "faster" not in page
    assert "--budget 0" in page
    assert "--budget 0" not in run_page(run)


def test_a_question_of_several_cases_begins_with_what_each_of_them_saves(run: Run) -> None:
    page = run_page(run)
    one = run_page(msgspec.structs.replace(run, records=run.records[:1]))

    assert "no_grad: 16 KiB to 8 KiB" in page
    assert "no_grad: 64 KiB to 32 KiB" in page
    assert "arms that do less work are left out" in page
    assert "no_grad: 16 KiB to 8 KiB" not in one


def test_a_picture_is_drawn_on_the_time_of_the_step_without_the_profiler(run: Run) -> None:
    timed = run_picture([run])
    arms = tuple(msgspec.structs.replace(arm, timings=()) for arm in run.records[0].arms)
    untimed = run_picture(
        [msgspec.structs.replace(run, records=(msgspec.structs.replace(run.records[0], arms=arms),))]
    )

    assert "<!-- ms of a step -->" in timed
    assert "<!-- % of the step, as it ran under the profiler -->" in untimed


def test_what_was_planned_and_is_missing_is_named(run: Run) -> None:
    planned = tuple((f"case {number}", "grad") for number in range(6))
    stopped = msgspec.structs.replace(run, planned=planned, complete=False)

    assert "Planned, and missing: grad of case 0, grad of case 1," in run_page(stopped)
    assert "grad of case 3, and 2 more." in run_page(stopped)


def test_a_fit_says_which_runs_show_it() -> None:
    fit = Fit(case=Case(question="training step", model="m", batch_size=0), limit=1024, runs=((1, 4096),))
    assert fit_line(fit) == "not even a batch of 1 fits in 1 KiB: it needs 4,096 B"
    full = Fit(
        case=Case(question="forward pass", model="m", batch_size=2), limit=1024, runs=((2, 1000), (3, 0))
    )
    assert fit_line(full) == (
        "the largest batch of a forward pass in 1 KiB is 2: run, it needs 1,000 B, and 3 ran out of memory"
    )


_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _browse(page: Path, folder: Path, *options: str) -> str:
    """Open a page in a headless browser; return its log."""
    command = [
        _CHROMIUM or "",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",  # the browser's own requests go nowhere
        f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr",
        f"--log-net-log={folder / 'net.json'}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 (the browser)
    return done.stderr


def _console(log: str) -> list[str]:
    return [line for line in log.splitlines() if ":CONSOLE" in line]


def _requested(net_log: Path) -> set[str]:
    """Return the addresses that a page asked for; those that the browser asks for itself have no origin."""
    log = json.loads(net_log.read_text())
    asked = [event["params"] for event in log["events"] if "initiator" in event.get("params", {})]
    return {params["url"] for params in asked if params["initiator"] != "not an origin"}


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
def test_a_browser_opens_the_page_without_a_request_or_an_error(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(run_page(run))
    log = _browse(page, tmp_path, "--dump-dom", "--virtual-time-budget=2000")
    assert _console(log) == []
    assert _requested(tmp_path / "net.json") == set()


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
def test_the_check_sees_a_page_that_asks_for_something_and_has_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><img src="http://localhost:9/a.png">'
        "<script>console.error('planted')</script>"
    )
    log = _browse(page, tmp_path, "--dump-dom", "--virtual-time-budget=2000")
    assert any("planted" in line for line in _console(log))
    assert "http://localhost:9/a.png" in _requested(tmp_path / "net.json")


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_no_wider_than_the_screen(run: Run, tmp_path: Path, width: int, dark: bool) -> None:  # noqa: FBT001
    # A page has no script of its own, so the probe that measures it is put in here, past its own policy.
    probe = (
        "<script>document.title = [document.documentElement.scrollWidth, innerWidth,"
        " getComputedStyle(document.body).backgroundColor].join('|')</script></body>"
    )
    text = re.sub(r"<meta http-equiv=[^>]*>", "", run_page(run)).replace("</body>", probe)
    page = tmp_path / "page.html"
    page.write_text(text)
    options = (
        ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    )
    shot = tmp_path / "page.png"
    command = ["--dump-dom", f"--window-size={width},1600", *options]
    done = subprocess.run(  # noqa: S603 (the browser)
        [
            _CHROMIUM or "",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            *command,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<title>([\d.]+)\|([\d.]+)\|(rgb[^<]*)</title>", done.stdout)
    assert found is not None
    assert float(found.group(1)) <= float(found.group(2))
    assert found.group(3) == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    _browse(
        page, tmp_path, f"--screenshot={shot}", f"--window-size={width},1600", "--hide-scrollbars", *options
    )
    assert shot.stat().st_size > 10_000
