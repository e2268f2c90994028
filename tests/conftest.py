"""What all tests share: one thread, so that a busy machine does not make small work slow."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
