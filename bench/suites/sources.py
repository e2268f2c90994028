"""Source packages from PyPI, unpacked, and one virtual environment in which all their tests run."""

import subprocess
import tarfile
import venv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.suites.suites import Suite
from harness.errors import HarnessError

ROOT = Path(__file__).parents[2]
_CONSTRAINTS = ROOT / "constraints.txt"
_STAND_IN = '"""A stand-in: the operators of this build do not load."""\n'
_TESTING = ("pytest", "pytest-timeout")
_PER_TEST = 300  # seconds, after which a test has failed


@dataclass(frozen=True, slots=True)
class Workshop:
    """A folder outside the repository: an environment, and the unpacked sources."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def options(self) -> tuple[str, ...]:
        """Those of pytest that the environment has beside pytest's own."""
        return (f"--timeout={_PER_TEST}",)

    def source(self, suite: Suite) -> Path:
        """Return where a suite's source lies, or is unpacked."""
        if suite.folder:
            return ROOT / suite.folder
        return self.folder / "sources" / suite.requirement

    def set_up(self, suites: Iterable[Suite], say: Callable[[str], None]) -> None:
        """Make the environment, and download, unpack and install what is not there yet.

        Raises:
            HarnessError: pip failed.
        """
        if not self.python.exists():
            say(f"{self.folder}: a virtual environment")
            venv.create(self.folder / "venv", with_pip=True)
        self._install((*_TESTING, "torch", "--editable", str(ROOT)), "the harness")
        for suite in suites:
            if not self.source(suite).exists():
                say(suite.requirement)
                archive = self._download(suite)
                self._install((str(archive), *suite.requires), suite.requirement)
                self._unpack(archive, suite)
        self._mend_torchvision()

    def _install(self, what: tuple[str, ...], name: str) -> None:
        self._pip("install", "--constraint", str(_CONSTRAINTS), *what, name=name)

    def _download(self, suite: Suite) -> Path:
        # Of the package alone: what builds it may come as a wheel.
        archives = self.folder / "archives" / suite.requirement
        words = ("--no-deps", "--no-binary", suite.package, "--dest", str(archives))
        self._pip("download", *words, suite.requirement, name=suite.requirement)
        return next(archives.iterdir())

    def _pip(self, *words: str, name: str) -> None:
        command = [str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (pip)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise HarnessError(
                f"pip {words[0]} of {name} failed: {last}; see to the network, and run it again"
            )

    def _unpack(self, archive: Path, suite: Suite) -> None:
        target = self.source(suite)
        unfinished = target.with_name(f"{target.name}.part")
        with tarfile.open(archive) as packed:
            packed.extractall(unfinished, filter="data")
        (inner,) = unfinished.iterdir()
        for package in suite.packages:
            (inner / package / "__init__.py").touch()
        inner.rename(target)
        unfinished.rmdir()

    def _mend_torchvision(self) -> None:
        """Let torchvision be imported where its operators do not load, as beside a torch without CUDA."""
        imported = [str(self.python), "-c", "import torchvision"]
        if not subprocess.run(imported, capture_output=True, check=False).returncode:  # noqa: S603 (its python)
            return
        for file in self.folder.glob("venv/lib/python*/site-packages/torchvision/_meta_registrations.py"):
            file.write_text(_STAND_IN, encoding="utf-8")
