"""The temporary folder of one duel, with the working trees of its revisions: removed whatever happens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.duel.sides import Repository, SideError, SideSource, git
from harness.processes.folder import remove_stale_folders, removed_folder

_PREFIX = "harness-duel-"


@dataclass(slots=True)
class Workspace:
    """A folder that exists as long as a duel.

    Attributes:
        folder: for everything temporary.
        repository: whose revisions are checked out in it.
    """

    folder: Path
    repository: Repository | None
    _trees: dict[str, Path] = field(default_factory=dict)

    def checked_out(self, side: SideSource) -> SideSource:
        """Return a side whose tree is there: a revision's own, or the working tree as it is.

        Raises:
            SideError: git cannot check it out, or the folder that it was asked from is not in it.
        """
        if not side.revision or self.repository is None:
            return side
        tree = self._trees.get(side.revision)
        if tree is None:
            tree = self.folder / f"tree-{side.revision[:12]}"
            # Hooks are the user's, for trees that the user works in.
            git(
                self.repository.root,
                *("-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--detach", "--force"),
                *(str(tree), side.revision),
            )
            self._trees[side.revision] = tree
        inside = tree / self.repository.prefix
        if not inside.is_dir():
            raise SideError(f"{side.name}: {side.given} has no folder {self.repository.prefix}")
        return replace(side, tree=inside)


@contextmanager
def workspace(repository: Repository | None) -> Iterator[Workspace]:
    """Make the folder, and what removes it; remove those that a crash of the machine left behind."""
    remove_stale(repository)
    with removed_folder(_PREFIX, str(repository.root) if repository else "") as folder:
        yield Workspace(folder, repository)


def remove_stale(repository: Repository | None) -> None:
    """Remove the folders of duels whose process is gone."""
    remove_stale_folders(_PREFIX)
    if repository is not None:
        with suppress(SideError):  # what cannot be pruned now is pruned another time
            git(repository.root, "worktree", "prune")
