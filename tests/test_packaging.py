"""What is handed to the world: the wheel, the sdist, and the files that tell others of them."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import harness

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "packaging" / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8"))
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "memory-profiler": "memory_profiler"}


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert RECIPE["context"]["version"] == harness.__version__
    assert f"\n## [{harness.__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    install = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert f"autograd_harness-{harness.__version__}-py3-none-any.whl" in install


def test_the_recipe_has_the_packages_and_the_command_of_the_project() -> None:
    requirements = [Requirement(each) for each in PROJECT["dependencies"]]
    expected = [f"{CONDA_NAMES.get(each.name, each.name)} {each.specifier}" for each in requirements]

    assert RECIPE["requirements"]["run"] == [f"python {PROJECT['requires-python']}", *expected]
    assert RECIPE["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]


def test_the_citation_is_valid() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    done = subprocess.run(  # noqa: S603 (literals)
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format"),
            str(ROOT / "CITATION.cff"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(  # noqa: S603 (literals)
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_what_is_built_is_fit_for_an_index(built: Path) -> None:
    files = sorted(str(each) for each in built.iterdir())
    done = subprocess.run(  # noqa: S603 (literals)
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(files) == 2
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "harness"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert inside == set(tracked)
    assert {"harness/py.typed", "harness/report/templates/base.html"} <= inside
    assert wheel.name == f"autograd_harness-{harness.__version__}-py3-none-any.whl"


@pytest.mark.slow
def test_the_sdist_has_what_its_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "CHANGELOG.md", "tests/test_packaging.py", "results/records/cpu.json"} <= inside


@pytest.mark.slow
def test_the_wheel_runs_in_an_environment_of_its_own(built: Path, tmp_path: Path) -> None:
    # what it needs is taken from this environment, so that nothing is fetched; the package itself is not
    (wheel,) = built.glob("*.whl")
    fresh = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", str(fresh)], check=True)  # noqa: S603 (literals)
    program = fresh / "bin" / "python"
    install = [str(program), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)  # noqa: S603 (literals)
    (site,) = (fresh / "lib").glob("python*/site-packages")
    for each in Path(next(path for path in sys.path if path.endswith("site-packages"))).iterdir():
        if "harness" not in each.name and not (site / each.name).exists():
            (site / each.name).symlink_to(each)

    def run(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 (literals)
            [str(fresh / "bin" / "harness"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = [str(program), "-c", "import harness; print(harness.__file__)"]
    answer = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603 (literals)
    assert Path(answer.stdout.strip()).is_relative_to(fresh)
    assert "Measure my model" in run("--help")
    assert "books balance: 0 B unaccounted" in run(
        "measure", "mlp-relu", "--time", "0", "--html", "page.html"
    )
