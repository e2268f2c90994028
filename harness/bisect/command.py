"""The command `harness bisect`: parses, searches, prints the answer first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.bisect.run import Found


def bisect(
    good: Annotated[str, typer.Argument(metavar="GOOD", help="a revision where all was well")],
    bad: Annotated[str, typer.Argument(metavar="BAD", help="a later one where it is not")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="as of `measure`; a callable too")],
    metric: Annotated[
        str, typer.Option(help="saved, peak, nodes, operators or waits; by default the first that differs")
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="of what is known so far; by default in the .git folder"),
    ] = None,
) -> None:
    """Find the first commit after which a target takes other bytes or counts, one exact run a step."""
    from harness.bisect.run import BisectError, Candidate, Search, commits_between, measure_commit
    from harness.bisect.trial import METRICS
    from harness.duel.sides import Repository, git

    if metric and metric not in METRICS:
        raise BisectError(f"no metric {metric!r}; there are {', '.join(METRICS)}")
    repository = Repository.around(Path.cwd())
    if repository is None:
        raise BisectError(f"{Path.cwd()} is in no git repository; run from the folder of the project")
    candidates = commits_between(repository, good, bad)
    folder = Path(git(repository.root, "rev-parse", "--absolute-git-dir"))
    start = repository.commit(good)
    found = Search(
        good=Candidate(start),
        candidates=candidates,
        measure=lambda commit: measure_commit(repository, commit, target),
        path=state or folder / "harness-bisect.json",
        question=f"{start} {candidates[-1].name} {target} {repository.prefix}",
        metric=metric,
        tell=lambda line: typer.echo(line, err=True),
    ).run()
    for line in answer(found):
        typer.echo(line)


def answer(found: "Found") -> list[str]:
    """Return the lines of an answer: the commit, the metric, the module, the operator."""
    from harness.bisect.trial import moved_module, moved_operator

    metric = found.metric
    before, after = found.before.values[metric], found.after.values[metric]
    unit = " B" if metric in {"saved", "peak"} else ""
    module = moved_module(found.before, found.after, metric)
    operator = moved_operator(found.before, found.after, module)
    if len(found.suspects) == 1:
        first = found.suspects[0]
        lines = [f"first bad: {first.name[:12]} {first.title}".rstrip()]
    else:
        lines = ["first bad: one of these, of which only the last could be measured"]
        lines += [f"    {each.name[:12]} {each.title}".rstrip() for each in found.suspects]
    lines.append(f"metric:    {metric} {before:,}{unit} -> {after:,}{unit} ({after - before:+,}{unit})")
    if module:
        lines.append(f"module:    {module}")
    if operator:
        where, _, name = operator.partition("\t")
        counts = [each.operators.get(operator, 0) for each in (found.before, found.after)]
        inside = "" if where == module else f" in {where}"
        lines.append(f"operator:  {name}{inside}, {counts[0]} -> {counts[1]} calls")
    lines.append(f"steps:     {found.steps} of {found.of} commits")
    return lines
