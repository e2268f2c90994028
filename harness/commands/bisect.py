"""`harness bisect`: the first commit, or version of torch, after which bytes, counts or times are others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import Json, Words, setting_of, with_setting

if TYPE_CHECKING:
    from harness.bisect.run import Search
    from harness.setting import Setting

_TOX = Path(".tox")


@with_setting("bisect")
def bisect(
    words: Words,
    ends_and_target: Annotated[
        list[str],
        typer.Argument(
            metavar="[GOOD BAD] TARGET",
            help="a revision where all was well, a later one where it is not, and what to run, as in measure;"
            " with --torch the target alone",
            show_default=False,
        ),
    ],
    torch: Annotated[
        str,
        typer.Option(
            metavar="LOW..HIGH", help="search over versions of torch, as 2.8.0..2.13.0, not commits"
        ),
    ] = "",
    tox: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="folder of tox environments, for --torch; each version is one of them"
        ),
    ] = _TOX,
    metric: Annotated[
        str,
        typer.Option(
            help="metric: saved, peak, nodes, operators or waits; by default the first that differs"
        ),
    ] = "",
    time: Annotated[
        bool, typer.Option("--time", help="decide by a duel of GOOD against each step, about 40 s each")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="file of what is known so far; by default in the .git folder"),
    ] = None,
    json: Json = None,
) -> None:
    """Find the first commit after which a target takes other bytes, counts or, with --time, other time."""
    from harness.bisect.answer import answer_data, answer_lines
    from harness.commands.files import print_report, write_json

    setting = setting_of(words)
    _check(ends_and_target, torch, metric, state, setting, timed=time)
    if torch:
        search = _over_versions(torch, tox, ends_and_target[0], metric, setting, timed=time)
    else:
        good, bad, target = ends_and_target
        search = _over_commits(good, bad, target, metric, state, setting, timed=time)
    answer = search.run()
    print_report("\n".join(answer_lines(answer, "versions" if torch else "commits")), json)
    if json is not None:
        write_json(json, answer_data(answer))


def _check(
    ends_and_target: list[str],
    torch: str,
    metric: str,
    state: Path | None,
    setting: "Setting",
    *,
    timed: bool,
) -> None:
    from harness.bisect.candidates import BisectError
    from harness.bisect.step import MEASURED

    if metric and metric not in MEASURED:
        raise BisectError(f"no metric {metric!r}; there are {', '.join(MEASURED)}")
    if torch and len(ends_and_target) != 1:
        raise BisectError(
            "with --torch there is one argument; write harness bisect --torch 2.8.0..2.13.0 TARGET"
        )
    if torch and state is not None:
        raise BisectError("--state is of a search over commits; a search over versions keeps nothing")
    if not torch and len(ends_and_target) != 3:  # noqa: PLR2004 (the three that the line names)
        raise BisectError(
            "a search over commits has three arguments; write harness bisect GOOD BAD TARGET, as in"
            " harness bisect HEAD~8 HEAD package.module:factory"
        )
    if timed and metric:
        raise BisectError(f"--time decides by times alone; leave out --time or --metric {metric}")
    if len(setting.batch_sizes) > 1:
        raise BisectError(f"a search has one batch size; give {setting.batch_sizes[0]} alone")


def _over_commits(
    good: str, bad: str, target: str, metric: str, state: Path | None, setting: "Setting", *, timed: bool
) -> "Search":
    from harness.bisect.candidates import BisectError, Candidate, commits_between
    from harness.bisect.measuring import measure_commit, step_conditions
    from harness.bisect.run import Search
    from harness.bisect.timing import TimedSteps
    from harness.duel.sides import Repository, git

    repository = Repository.around(Path.cwd())
    if repository is None:
        raise BisectError(f"{Path.cwd()} is in no git repository; run from the folder of the project")
    candidates = commits_between(repository, good, bad)
    folder = Path(git(repository.root, "rev-parse", "--absolute-git-dir"))
    start, end = repository.commit(good), candidates[-1].name
    steps = TimedSteps(start, end, str, target, setting)
    return Search(
        good=Candidate(start),
        candidates=candidates,
        measure=steps.measure
        if timed
        else lambda commit: measure_commit(repository, commit, target, setting),
        path=state or folder / "harness-bisect.json",
        question=" ".join(
            [start, end, target, repository.prefix, step_conditions(setting), *(["times"] if timed else [])]
        ),
        metric=metric,
        tell=lambda line: typer.echo(line, err=True),
    )


def _over_versions(
    given: str, folder: Path, target: str, metric: str, setting: "Setting", *, timed: bool
) -> "Search":
    from harness.bisect.candidates import Candidate, environments_in, versions_between
    from harness.bisect.measuring import measure_in
    from harness.bisect.run import Search
    from harness.bisect.timing import TimedSteps

    environments = versions_between(environments_in(folder), given, folder)
    # The path of an interpreter is what its environment is known by, so links in it stay.
    pythons = {str(each.version): each.python.absolute() for each in environments}
    good, *others = (Candidate(str(each.version), each.name) for each in environments)
    steps = TimedSteps(good.name, others[-1].name, lambda name: str(pythons[name]), target, setting)
    return Search(
        good=good,
        candidates=others,
        measure=steps.measure
        if timed
        else lambda version: measure_in(pythons[version], Path.cwd(), target, setting),
        path=None,
        question="",
        metric=metric,
        tell=lambda line: typer.echo(line, err=True),
    )


def register(app: typer.Typer, group: str) -> None:
    """Put the command on the command line."""
    app.command(rich_help_panel=group)(bisect)
