"""The temporary folder of one duel, with the working trees of its revisions: removed whatever happens.

A small process of its own removes it: it waits for the end of a pipe that the referee holds, which
comes when the referee ends, also when it is killed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.duel.sides import Repository, SideError, SideSource, git

_PREFIX = "harness-duel-"

# Arguments: the folder, and the repository or "". Workers that are just ending may still write.
_CLEAN = """
cat > /dev/null
for attempt in 1 2 3 4 5; do
    rm -rf -- "$1" && break
    sleep 0.2
done
if [ -n "$2" ]; then git -C "$2" worktree prune; fi
"""


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
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")).resolve()
    root = str(repository.root) if repository else ""
    with subprocess.Popen(  # noqa: S603 (a literal script)
        ["/bin/sh", "-c", _CLEAN, "sh", str(folder), root],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # an interrupt from the terminal is not for it
    ) as cleaner:
        try:
            yield Workspace(folder, repository)
        finally:
            if cleaner.stdin is not None:
                cleaner.stdin.close()
            cleaner.wait()


def remove_stale(repository: Repository | None) -> None:
    """Remove the folders of duels whose process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    if repository is not None:
        with suppress(SideError):  # what cannot be pruned now is pruned another time
            git(repository.root, "worktree", "prune")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
