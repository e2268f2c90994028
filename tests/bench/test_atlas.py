"""The atlas: candidates in turns, workers that die, what is kept of them, and its page."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from runs import environment
from torch import nn

from bench.atlas import __main__ as command
from bench.atlas import crew
from bench.atlas.candidates import Candidate, RefusedError, running
from bench.atlas.crew import Worker, charts
from bench.atlas.reading import chart
from bench.atlas.record import Atlas, Chart, Reading, Run, Subject, load_atlas, merged
from bench.atlas.sources import subjects
from bench.atlas.table import in_markdown
from harness.errors import HarnessError

BERT = Subject("transformers", "bert")


def candidate(build: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> Candidate:
    def inputs(_module: nn.Module) -> Iterator[Callable[[], Mapping[str, Any]]]:
        for shape in shapes:
            yield lambda shape=shape: {"input": torch.ones(shape)}

    return Candidate("Linear", "small", build, inputs)


class NotTrained(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's own name)
        if self.training:
            raise ValueError("give labels")
        return super().forward(input)


def test_the_first_candidate_that_runs_is_taken() -> None:
    found = running(
        iter([candidate(lambda: nn.Linear(0, -1)), candidate(lambda: nn.LayerNorm(4), (3, 5), (3, 4))])
    )

    assert (found.inputs["input"].shape, found.refused) == ((3, 4), {})


def test_one_that_runs_in_both_modes_goes_before_one_that_runs_in_one() -> None:
    half, whole = candidate(lambda: NotTrained(4, 2), (3, 4)), candidate(lambda: nn.Linear(4, 2), (3, 4))

    assert running(iter([half, whole])).candidate is whole
    assert running(iter([half])).refused == {"train": "ValueError: give labels"}


def test_of_several_failures_the_one_that_came_nearest_is_told() -> None:
    nearest = candidate(lambda: nn.LayerNorm(4), (3, 5))
    refused = (candidate(lambda: nn.Linear(2**14, 2**14)), nearest, candidate(lambda: nn.Linear(2, "2")))

    with pytest.raises(RefusedError, match=r"^does not run on the inputs made here: RuntimeError: Given"):
        running(iter(refused))
    with pytest.raises(RefusedError, match=r"^has 1024 MiB of parameters, and 128 are the most here$"):
        running(iter(refused[:1]))
    with pytest.raises(RefusedError, match="no model class"):
        running(iter(()))


def test_a_failure_that_no_size_can_change_is_not_met_a_third_time() -> None:
    built: list[str] = []

    class Unable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            built.append("Unable")

        def forward(self, **_inputs: torch.Tensor) -> torch.Tensor:
            raise ValueError("give me a retriever")

    with pytest.raises(RefusedError, match="give me a retriever"):
        running(iter([candidate(Unable, (3, 4))] * 9))
    assert len(built) == 4  # each of two candidates is described without numbers first


def test_an_input_gets_the_last_size_that_the_first_matrix_takes() -> None:
    found = running(iter([candidate(lambda: nn.Linear(7, 2), (3, 4))]))

    assert (found.inputs["input"].shape, found.refused) == ((3, 7), {})


def test_time_for_candidates_ends() -> None:
    ticks = iter([0.0, 1.0, 40.0])

    with pytest.raises(RefusedError, match="cannot be built"):
        running((candidate(lambda: nn.Linear(2, "2")) for _ in range(9)), lambda: next(ticks))


ANSWERS = """
import os, signal, sys, time
for line in sys.stdin:
    if "dies" in line:
        os.abort()
    if "burns" in line:
        signal.raise_signal(signal.SIGPROF)  # as the timer of a worker does
    if "sleeps" in line:
        time.sleep(60)
    print('{"subject": %s}' % line.strip(), flush=True)
"""


def test_a_worker_that_dies_or_takes_too_long_is_started_again() -> None:
    worker = Worker(limit=0.05, command=(sys.executable, "-c", ANSWERS))
    names = ("good", "dies", "good", "sleeps", "burns")
    try:
        said = [worker.ask(Subject("timm", name), start=20.0).reason for name in names]
    finally:
        worker.end()

    late = "took longer than 0.05 s"
    assert said == ["", "took the process down (signal 6)", "", late, late]


@pytest.mark.slow
def test_a_worker_ends_itself_where_a_subject_takes_longer_on_the_processor() -> None:
    worker = Worker(limit=0.05, command=(*crew._COMMAND, "0.05"))
    try:
        made = worker.ask(Subject("transformers", "bert"))
    finally:
        worker.end()

    assert made.reason == "took longer than 0.05 s"


def test_a_crew_charts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.atlas.crew._COMMAND", (sys.executable, "-c", ANSWERS))
    asked = tuple(Subject("timm", f"good{number}") for number in range(5))

    assert {found.subject for found in charts(asked, workers=2, limit=20.0)} == set(asked)


def test_who_stops_listening_leaves_no_worker_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.atlas.crew._COMMAND", (sys.executable, "-c", ANSWERS))
    ended: list[Worker] = []
    end = Worker.end
    monkeypatch.setattr(Worker, "end", lambda worker: (ended.append(worker), end(worker)))
    listening = charts([Subject("timm", f"good{number}") for number in range(50)], workers=1, limit=20.0)
    next(listening)
    listening.close()

    assert ended
    assert all(worker.process is None for worker in ended)


def test_a_worker_that_ends_before_it_reads_a_question_gives_a_chart_with_the_reason() -> None:
    worker = Worker(5.0, (sys.executable, "-c", "pass"))
    worker.process = subprocess.Popen(  # noqa: S603 (this interpreter)
        worker.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    worker.process.wait()

    assert worker.ask(Subject("timm", "any")).reason == "took the process down (exit status 0)"
    assert worker.process is None


def reading(mode: str, unaccounted: int | None = 0, **more: Any) -> Reading:
    return Reading(mode=mode, saved=2048, spared=2056, unaccounted=unaccounted, **more)


CHARTS = (
    Chart(
        subject=BERT,
        built="BertModel",
        size=4096,
        readings=(reading("train"), reading("eval")),
    ),
    Chart(
        subject=Subject("transformers", "llama"),
        built="LlamaModel",
        readings=(
            reading("train", -1024, notes=("the books leave -1,024 B: in layers.0, kept by the model",)),
            Reading(mode="eval", reason="does not run in plain torch: ValueError: no"),
        ),
    ),
    Chart(
        subject=Subject("transformers", "opt"),
        built="OPTModel",
        readings=(
            reading(
                "train",
                None,
                varies={"saved_bytes": (1024, 3072), "retained_bytes": (1024, 3072)},
                unavailable=dict.fromkeys(("spared_bytes", "unaccounted_bytes"), "no two calls are alike"),
            ),
            reading("eval", notes=("a call changes rope",)),
        ),
    ),
    Chart(
        subject=Subject("transformers", "whisper"),
        built="WhisperModel",
        readings=(reading("train", 16, notes=("said",)), reading("eval", 16, notes=("said",))),
    ),
    Chart(subject=Subject("timm", "vit"), processor_s=90, reason="took longer than 60 s"),
)


def atlas(*made: Chart) -> Atlas:
    runs = {
        chart.subject.family: Run(environment=environment(), command="python -m bench.atlas")
        for chart in made
    }
    return Atlas(runs=runs, charts=made)


def test_the_page_counts_and_gives_reasons() -> None:
    page = in_markdown(atlas(*CHARTS))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "|" in line
    ]

    assert ["transformers", "4", "4", "1", "1", "1", "1", "0", "-"] in rows
    assert ["timm", "1", "0", "0", "0", "0", "0", "1", "1.5 min"] in rows
    assert ["took longer than 60 s", "1"] in rows
    assert ["bert", "BertModel", "4 KiB", *["2 KiB", "2.008 KiB", "balance"] * 2] in rows
    assert ["llama", "LlamaModel", "0 B", "2 KiB", "2.008 KiB", "-1,024 B", "-", "-", "-"] in rows
    assert ["vit", "took longer than 60 s"] in rows
    assert "- llama, train: the books leave -1,024 B: in layers.0, kept by the model" in page
    assert "- llama, eval: does not run in plain torch: ValueError: no" in page
    assert "- whisper, train and eval: said" in page


def test_numbers_that_vary_are_ranges_and_spare_nothing_that_can_be_said() -> None:
    page = in_markdown(atlas(*CHARTS))
    row = next(line for line in page.splitlines() if line.startswith("| opt"))

    assert [cell.strip() for cell in row.strip("|").split("|")][3:] == [
        "1 KiB to 3 KiB",
        "-",
        "varies",
        "2 KiB",
        "2.008 KiB",
        "balance",
    ]
    assert "- opt, train: no books: no two calls are alike" in page


def test_a_later_chart_takes_the_place_of_an_earlier_one() -> None:
    later = Chart(subject=BERT, reason="later")

    assert [found.reason for found in merged(CHARTS[:1], (CHARTS[-1], later))] == [
        "took longer than 60 s",
        "later",
    ]


def test_a_run_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Subject, ...]] = []
    kept, page = tmp_path / "atlas.json", tmp_path / "atlas.md"
    kept.write_bytes(msgspec.json.encode(atlas(*CHARTS)))
    monkeypatch.setattr("bench.atlas.sources.subjects", lambda _family, _only: (BERT, CHARTS[-1].subject))
    monkeypatch.setattr(command, "chart_all", lambda todo, *_rest: asked.append(todo))
    for options in ({}, {"unmeasured": True}, {"again": True}):
        command.main(json=kept, markdown=page, **options)

    assert asked == [(CHARTS[-1].subject,), (BERT, CHARTS[-1].subject)]
    assert "llama" in page.read_text()


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(HarnessError, match=r"other\.json is not what `python -m bench\.atlas` keeps"):
        load_atlas(tmp_path / "other.json")
    with pytest.raises(HarnessError, match=r"none\.json cannot be read: No such file"):
        load_atlas(tmp_path / "none.json")
    with pytest.raises(HarnessError, match="no family 'flax'; there are transformers, timm"):
        subjects(("flax",), ())


TEN = (
    "bert", "resnet", "t5", "qwen2_vl", "wav2vec2", "mamba", "deepseek_v3", "layoutlm", "detr",
    "time_series_transformer",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TEN)
def test_ten_assorted_types_have_numbers_in_both_modes(name: str) -> None:
    pytest.importorskip("transformers", minversion="5")
    if name == "detr":
        pytest.importorskip("timm", reason="its backbone is one of timm's")
    found = chart(Subject("transformers", name))

    assert found.reason == ""
    assert [read.reason for read in found.readings] == ["", ""]
    assert all(read.saved > 0 and read.nodes > 0 for read in found.readings)
