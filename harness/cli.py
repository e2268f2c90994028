"""The command line: one function a command, which parses, calls one other module, and prints.

Results go to standard output, progress and warnings to standard error. Exit status: 0 fine, 1 a
regression, 2 bad usage or unreadable input, 3 undecided under --strict.
"""

import enum
import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.fit import fit

app = typer.Typer(
    name="harness",
    help="What recording gradients costs your PyTorch model, in time and in exact bytes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(fit)

RunFiles = Annotated[list[Path], typer.Argument(metavar="RUN.json...", help="run files")]


@app.command()
def versions(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN.json|FOLDER...", help="run files, or folders of them")
    ],
    tables: Annotated[Path, typer.Option(help="folder that the tables are written to")] = Path(
        "results/tables/torch"
    ),
) -> None:
    """Put runs under several torch versions side by side, a table a question."""
    from harness.record.store import load_run, newest_by_version, replace_file
    from harness.report.versions import version_pages

    loaded = [
        run
        for path in runs
        for run in (
            newest_by_version(path) if path.is_dir() and path.suffix != ".partial" else (load_run(path),)
        )
    ]
    for question, page in version_pages(loaded).items():
        replace_file(tables / f"{question}.md", page.encode())
        typer.echo(tables / f"{question}.md")


_BASELINES = Path("results/baselines")
_PYPROJECT = Path("pyproject.toml")


class Format(enum.StrEnum):
    """What a comparison is printed as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JUNIT = "junit"


class Start(enum.StrEnum):
    """How a restart of a duel comes to be."""

    SPAWN = "spawn"
    FORK = "fork"


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE.json", help="a run, or pytest-benchmark's JSON")],
    head: Annotated[Path, typer.Argument(metavar="HEAD.json", help="what is held against it")],
    form: Annotated[Format, typer.Option("--format", help="what to print")] = Format.TEXT,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="also write a page")] = None,
    strict: Annotated[bool, typer.Option(help="exit with status 3 where a time is undecided")] = False,
) -> None:
    """Compare two runs: exact values as integers, time as widely as stored time allows."""
    from harness.gating import compare_files
    from harness.record.store import replace_file
    from harness.report.comparison_page import comparison_page
    from harness.report.written import written

    outcome = compare_files(base, head)
    typer.echo(written([outcome], form.value), nl=False)
    if html is not None:
        replace_file(html, comparison_page([outcome]).encode())
    if outcome.fails:
        raise typer.Exit(1)
    if strict and outcome.undecided:
        raise typer.Exit(3)


@app.command()
def gate(
    runs: RunFiles,
    baseline: Annotated[
        Path, typer.Option(metavar="DIR", help="folder of baselines, a file a key")
    ] = _BASELINES,
    update: Annotated[bool, typer.Option("--update", help="write the baselines that the runs make")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="then drop rows that the runs do not hold")] = False,
    every_baseline: Annotated[
        bool, typer.Option("--every-baseline", help="fail where a baseline is met by no run")
    ] = False,
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="where [tool.harness.gate] stands")
    ] = _PYPROJECT,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Hold runs against the committed baselines; exit with status 1 on any change."""
    from harness.gating import gate_files
    from harness.report.written import gate_text, written

    gated = gate_files(runs, baseline, config, update=update, prune=prune, every_baseline=every_baseline)
    typer.echo(
        written(gated.outcomes, "json") if json else gate_text(gated.outcomes, gated.changes), nl=False
    )
    for path in gated.written:
        typer.echo(f"wrote {path}", err=True)
    if gated.fails:
        raise typer.Exit(1)


@app.command()
def duel(
    base: Annotated[str, typer.Argument(metavar="BASE", help="interpreter, git revision, REV@PYTHON, or .")],
    head: Annotated[str, typer.Argument(metavar="HEAD", help="likewise; what is held against it")],
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET]...", help="as in measure; all built-in models by default"),
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="that is put to models; may be given again; grad_mode by default")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, ..., or autocast")] = "float32",
    batch_size: Annotated[int, typer.Option(help="examples a batch; 0 for each model's own")] = 0,
    mode: Annotated[
        bool | None, typer.Option("--train/--eval", help="mode of the models; by default each question's own")
    ] = None,
    restarts: Annotated[
        int, typer.Option(help="of both sides; 0 for as many as the number of contrasts needs")
    ] = 0,
    budget: Annotated[
        float | None,
        typer.Option(
            help="seconds of timing an arm, both sides, in all; by default 2, or 6 for one arm alone;"
            " 0 for exact metrics alone"
        ),
    ] = None,
    floor: Annotated[float, typer.Option(help="relative difference that is none")] = 0.005,
    threads: Annotated[int, typer.Option(help="intra-op threads; 0 for torch's own choice")] = 1,
    pin: Annotated[bool, typer.Option(help="both sides to one core, where one thread runs")] = True,
    start: Annotated[
        Start, typer.Option(help="spawn imports torch in every restart; fork copies a process that has")
    ] = Start.SPAWN,
    seed: Annotated[int, typer.Option(help="of weights, inputs and order")] = 0,
    tox: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the sides are tox environments in this folder")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="keep everything in this file")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="write a page")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="write a job summary")] = None,
    strict: Annotated[bool, typer.Option(help="exit with status 3 where a time is undecided")] = False,
) -> None:
    """Measure the same cases in two interpreters, or at two commits, against each other."""
    from harness.dueling import Judged, hold_duel, tox_python
    from harness.report.duel_watch import DuelWatch

    if tox is not None:
        base, head = (tox_python(tox, name) for name in (base, head))
    watch = DuelWatch()
    with watch.bar:
        held = hold_duel(
            base,
            head,
            targets or (),
            watch,
            questions=question or ("grad_mode",),
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            mode="" if mode is None else "train" if mode else "eval",
            restarts=restarts,
            budget=budget,
            floor=floor,
            threads=threads,
            pin=pin,
            start=start.value,
            seed=seed,
        )
    found = Judged.of(held)
    typer.echo(found.text(min(shutil.get_terminal_size().columns, 120)), nl=False)
    for path in found.write(json=json, html=html, markdown=markdown):
        typer.echo(f"written: {path}", err=True)
    if found.outcome.fails:
        raise typer.Exit(1)
    if strict and found.outcome.undecided:
        raise typer.Exit(3)


@app.command()
def report(
    runs: RunFiles,
    baseline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also hold the runs against these baselines")
    ] = None,
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="where [tool.harness.gate] stands")
    ] = _PYPROJECT,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="job summary or comment")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="page")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="JUnit XML")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="findings as JSON")] = None,
    bencher: Annotated[Path | None, typer.Option(metavar="FILE", help="Bencher Metric Format")] = None,
    smaller_is_better: Annotated[
        Path | None, typer.Option(metavar="FILE", help="github-action-benchmark's customSmallerIsBetter")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the tables of one run, a file a question")
    ] = None,
) -> None:
    """Write what runs say for people and for other tools; markdown is printed where no file is asked for."""
    from harness.gating import report_files
    from harness.record.store import replace_file
    from harness.report.written import WRITERS

    loaded, outcomes = report_files(runs, baseline, config)
    asked = {
        "markdown": markdown,
        "html": html,
        "junit": junit,
        "json": json,
        "bencher": bencher,
        "smaller_is_better": smaller_is_better,
    }
    for name, path in asked.items():
        if path is not None:
            replace_file(path, WRITERS[name](loaded, outcomes).encode())
            typer.echo(path)
    if tables is not None:
        from harness.report.tables import question_pages

        for question, page in question_pages(loaded[0]).items():
            replace_file(tables / f"{question}.md", page.encode())
            typer.echo(tables / f"{question}.md")
    elif not any(asked.values()):
        typer.echo(WRITERS["markdown"](loaded, outcomes), nl=False)


@app.command()
def trend(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN.json|FOLDER...", help="run files, or folders of them")
    ],
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="draw what changed (.svg, .png)")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show every case and metric over runs, with where it changed."""
    from harness.gating import trend_files
    from harness.report.trend_text import trend_json, trend_text

    found = trend_files(runs)
    typer.echo(trend_json(found) if json else trend_text(found), nl=False)
    if plot is not None:
        from harness.report.trend_plot import draw_trend

        draw_trend(found, plot)
        typer.echo(plot, err=True)


@app.command()
def calibrate(
    seconds: Annotated[float, typer.Option(help="to spend in all, about")] = 120.0,
    budget: Annotated[float, typer.Option(help="seconds a comparison, both sides together")] = 0.25,
    load: Annotated[int, typer.Option(help="bursty processes to run beside it")] = 0,
    calls: Annotated[str, typer.Option(help="lengths of the calls, in microseconds")] = "20,200,2000,20000",
    planted: Annotated[str, typer.Option(help="slowdowns to plant, in percent; 0 is A/A")] = "0,1",
    kinds: Annotated[
        str, typer.Option(help="object: one object on both sides; copies: two models built alike")
    ] = "object,copies",
    trials: Annotated[int, typer.Option(help="comparisons of each; by default what the seconds allow")] = 0,
    cells: Annotated[
        str,
        typer.Option(
            metavar="KIND:US:PERCENT:TRIALS[,...]", help="in place of the above, such as copies:70:0:200"
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    threads: Annotated[int, typer.Option(help="of torch; 0 for its own choice")] = 1,
    json: Annotated[
        Path | None, typer.Option(help="keep every comparison in this file, and go on where it ends")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the tables to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="write the plot of power to this SVG file")] = None,
) -> None:
    """Say what this machine can resolve: false alarms, bias, and the smallest slowdown found."""
    import shlex
    import sys

    import msgspec
    import torch

    from harness.calibration.plan import parse_plan
    from harness.calibration.run import calibrate as run_calibration
    from harness.record.calibration import Calibration, read_calibration
    from harness.record.store import replace_file
    from harness.report.calibration import in_markdown, in_terminal, power_plot
    from harness.report.progress import progress

    plan = parse_plan(
        calls,
        planted,
        kinds,
        trials=trials,
        seconds=seconds,
        budget=budget,
        load=load,
        cells=cells,
        device=device,
    )
    if threads:
        torch.set_num_threads(threads)
    earlier = read_calibration(json) if json and json.exists() else None

    def keep(found: Calibration) -> None:
        if json:
            replace_file(json, msgspec.json.encode(found))

    with progress("comparisons", plan.trials) as step:
        found = run_calibration(plan, step, earlier, keep)
    keep(found)
    typer.echo(in_terminal(found))
    command = shlex.join(["harness", *sys.argv[1:]])
    if markdown:
        replace_file(markdown, in_markdown(found, command).encode())
    if plot:
        replace_file(plot, power_plot(found).encode())


@app.command()
def measure(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="a built-in name, hf:NAME, timm:NAME, torchvision:NAME, or package.module:factory",
        ),
    ],
    question: Annotated[
        list[str] | None,
        typer.Option(help="what is asked; may be given again (grad_mode, freezing, decay_groups)"),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, ..., or autocast")] = "float32",
    memory_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="channels_last; by default torch's own")
    ] = "",
    batch_size: Annotated[
        str, typer.Option(metavar="N[,N...]", help="examples a batch; several show how bytes and time grow")
    ] = "",
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="find the largest batch that fits, such as 8GiB")
    ] = None,
    mode: Annotated[
        bool | None, typer.Option("--train/--eval", help="mode of the model; by default the question's own")
    ] = None,
    budget: Annotated[float, typer.Option(help="seconds of timing for an arm and its reference")] = 0.5,
    loss: Annotated[
        str, typer.Option(help="mean_square, sum, cross_entropy, own, or package.module:function")
    ] = "",
    curve: Annotated[bool, typer.Option(help="freeze the first k blocks, for every k")] = True,
    threads: Annotated[int, typer.Option(help="intra-op threads; 0 for torch's own choice")] = 1,
    seed: Annotated[int, typer.Option(help="of weights, inputs and order")] = 0,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="keep the run in this file")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="write the page")] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write memory timelines that Perfetto opens")
    ] = None,
    memory_history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CUDA: write one step's memory history, a pickle")
    ] = None,
    wrap: Annotated[
        str | None, typer.Option(metavar="ddp|fsdp2", help="train on all ranks that torchrun started")
    ] = None,
    time_limit: Annotated[float, typer.Option(help="with --wrap: seconds that a rank may be stuck")] = 300,
    traceback: Annotated[bool, typer.Option(help="show where an error came from")] = False,
) -> None:
    """Say what gradients cost a model of yours, where its memory is, and what freezing would buy."""
    from harness.ranks.door import check_alone, measure_over_ranks
    from harness.report.watch import TerminalWatch

    watch = TerminalWatch(json, shows_traceback=traceback)
    if wrap is not None:
        measure_over_ranks(
            target,
            watch,
            wrap=wrap,
            time_limit=time_limit,
            device=device,
            dtype=dtype,
            memory_format=memory_format,
            batch_size=batch_size,
            mode="" if mode is None else "train" if mode else "eval",
            budget=budget,
            loss=loss,
            threads=threads,
            seed=seed,
            html=html,
            unasked={
                "--question": question,
                "--memory-limit": memory_limit,
                "--memory-history": memory_history,
                "--trace": trace,
            },
        )
        return
    check_alone(watch)
    from harness.terminal import measure_in_terminal

    measure_in_terminal(
        target,
        watch,
        questions=question,
        device=device,
        dtype=dtype,
        memory_format=memory_format,
        batch_size=batch_size,
        memory_limit=memory_limit,
        mode="" if mode is None else "train" if mode else "eval",
        budget=budget,
        loss=loss,
        curve=curve,
        threads=threads,
        seed=seed,
        html=html,
        trace=trace,
        memory_history=memory_history,
    )
    if watch.problems:
        raise typer.Exit(2)


@app.command()
def claims(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="such as D1 or N5; all by default")
    ] = None,
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    seeds: Annotated[int, typer.Option(help="of every experiment with data")] = 100,
    budget: Annotated[float, typer.Option(help="seconds of timing for a pair")] = 0.6,
    results: Annotated[Path, typer.Option(help="folder of claims.md and claims/")] = Path("results"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="keep the results in this file")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="also write a page")] = None,
) -> None:
    """Put statements about gradients, freezing and weight decay to the test."""
    from harness.claims.claim import Lab
    from harness.claims.session import Session
    from harness.report.claims import in_terminal

    session = Session.plan(ids or (), Lab(budget=budget, seeds=seeds, seed=seed), results, json)
    try:
        run = session.measure(
            lambda place, claim: typer.echo(
                f"[{place + 1}/{len(session.claims)}] {claim.id} {claim.statement}", err=True
            )
        )
    except KeyboardInterrupt:
        if session.run is not None:
            typer.echo(in_terminal(session.run, shutil.get_terminal_size().columns))
            typer.echo(f"interrupted: what was measured is in {session.json}", err=True)
        raise typer.Exit(130) from None  # 128 + SIGINT, as shells have it
    typer.echo(in_terminal(run, shutil.get_terminal_size().columns))
    for path in session.publish(run, html):
        typer.echo(f"written: {path}", err=True)


class Cluster(enum.StrEnum):
    """Who runs the jobs of a fleet."""

    LOCAL = "local"
    SLURM = "slurm"


@app.command()
def fleet(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="as of `measure`")],
    question: Annotated[list[str] | None, typer.Option(help="a job for each and for each target")] = None,
    cluster: Annotated[
        Cluster, typer.Option(help="this machine, one job at a time; or Slurm")
    ] = Cluster.LOCAL,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="of run files and logs, on a disk that all machines share")
    ] = Path("fleet"),
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="of submitit's executor, such as slurm_partition=gpu"),
    ] = None,
    options: Annotated[str, typer.Option(help="of `measure`, such as '--device cuda --budget 1'")] = "",
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="also write the tables here")] = None,
) -> None:
    """Measure models on many machines, a job for each question and model; machines are not compared."""
    import shlex

    from harness.fleet import send, settings_of, tasks
    from harness.measuring import QUESTIONS
    from harness.record.store import replace_file
    from harness.report.fleet import fleet_text

    waiting = tasks(targets, question or QUESTIONS, shlex.split(options), folder)
    found = send(
        waiting, cluster.value, folder, settings_of(setting or ()), lambda line: typer.echo(line, err=True)
    )
    text = fleet_text(found.runs, shutil.get_terminal_size().columns)
    typer.echo(text)
    if markdown is not None:
        replace_file(markdown, f"```\n{text}\n```\n".encode())
    if found.problems:
        raise typer.Exit(2)
