"""What all tests share: one thread, few objects for the collector, and an environment without workers."""

import gc
import os
from collections.abc import Iterator

import pytest

# What test modules import stays: looking for garbage in it takes a fifth of the time that collecting takes.
gc.disable()

# So that a busy machine does not make small work slow; and the process that forks has to have one thread.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCH_CPP_LOG_LEVEL"] = (
    "ERROR"  # as commands set it: where one is run here, the rest is as before
)


@pytest.fixture(autouse=True, scope="session")
def _no_worker() -> None:
    # A session of pytest that a test starts is not run by a worker of xdist, whoever runs the test.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]


@pytest.fixture(autouse=True, scope="session")
def _started_python_ends() -> Iterator[None]:
    from quick_python import end_server

    yield
    end_server()


@pytest.fixture(autouse=True, scope="session")
def _old_objects_set_aside() -> None:
    # Else every measurement in a test looks through all that torch and transformers left, 80 ms each time.
    from harness.measure.garbage import set_old_objects_aside

    set_old_objects_aside()
    gc.enable()


@pytest.fixture(autouse=True)
def _older_objects_set_aside(_old_objects_set_aside: None) -> None:
    # What earlier tests imported.
    gc.collect()
    gc.freeze()
