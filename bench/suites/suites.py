"""Which packages' tests are run, and which of their files: data alone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one package, as they lie in its source package on PyPI.

    Attributes:
        package: on PyPI.
        version: that is run; lines in the judgements are those of this version.
        tests: files and folders below the unpacked source.
        timed: those of `tests`, or of their parts, that are timed; none where the suite is not.
        requires: what its tests need beside the package itself.
        options: of pytest.
        packages: folders of tests that import from each other, but whose source package has no `__init__.py`.
        variables: of the environment, names and values.
        note: why these tests and not all.
        folder: of tests of this project's own, below its root; they are timed alone.
    """

    package: str
    version: str
    tests: tuple[str, ...]
    timed: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    note: str = ""
    folder: str = ""

    @property
    def requirement(self) -> str:
        """The package at its version, as pip reads it; the name alone of this project's own tests."""
        if self.folder:
            return self.package
        return f"{self.package}=={self.version}"


SUITES = (
    Suite("einops", "0.8.2", ("einops/tests",), variables=(("EINOPS_TEST_BACKENDS", "numpy,torch"),)),
    Suite(
        "timm",
        "1.0.31",
        tuple(
            f"tests/test_{name}.py"
            for name in (
                "layers",
                "layers_drop",
                "layers_pool",
                "layers_pos_embed",
                "task",
                "utils",
                "multilabel",
                "checkpoint_saver",
                "checkpoint_loading",
                "prune",
                "model_input",
                "input_conv",
            )
        ),
        timed=("tests/test_layers.py", "tests/test_layers_pool.py"),
        note="the files that build no large model",
    ),
    Suite(
        "peft",
        "0.21.2",
        (
            "tests/test_custom_models.py",
            "tests/test_mixed.py",
            "tests/test_vera.py",
            "tests/test_randlora.py",
        ),
        requires=("diffusers", "datasets", "parameterized", "pytest-cov", "scipy"),
        options=(
            "-k",
            "mixed or vera or randlora or custom_models and (training or only_params or finite or Grad)",
        ),
        packages=("tests",),
        note="of its tests of custom models those that train, run or freeze",
    ),
    Suite(
        "accelerate",
        "1.15.0",
        tuple(
            f"tests/test_{name}.py"
            for name in (
                "hooks",
                "modeling_utils",
                "big_modeling",
                "optimizer",
                "scheduler",
                "accelerator",
                "kwargs_handlers",
            )
        ),
        requires=("parameterized", "datasets"),
        note="the files that start no other processes",
    ),
    Suite(
        "skorch",
        "1.4.0",
        (
            "skorch/tests/test_net.py",
            "skorch/tests/test_classifier.py",
            "skorch/tests/test_regressor.py",
            "skorch/tests/test_toy.py",
            "skorch/tests/callbacks",
        ),
        timed=("skorch/tests/test_regressor.py",),
        requires=("flaky", "pandas", "pytest-cov"),
        note="the rest serves other libraries",
    ),
    Suite(
        "transformers",
        "5.24.0",
        ("tests/test_monkey_patching.py", "tests/test_image_transforms.py"),
        requires=("parameterized", "pillow"),
        packages=("tests",),
        note="its source package has the mixins of its tests of models, and no test of a model",
    ),
    Suite(
        "torchmetrics",
        "1.9.0",
        tuple(
            f"src/torchmetrics/{name}"
            for name in ("regression", "wrappers", "aggregation.py", "metric.py", "collections.py")
        ),
        options=("--doctest-modules",),
        note="its source package has no tests but the examples in its docstrings",
    ),
)

# Not of others: what the watch costs at most.
WORST_CASE = Suite(
    "the worst case",
    "",
    ("steps.py",),
    timed=("steps.py",),
    options=("-c", "/dev/null", "--rootdir=."),
    folder="bench/suites/worst_case",
)
