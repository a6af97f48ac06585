"""What all tests that need torch share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Compute on one thread, whatever the test before chose: several add up in any order, to other bits."""
    torch.set_num_threads(1)
