"""What all tests that need torch share."""

import torch

# Two runs of a test are the same to the bit only on one thread: several add up in any order.
torch.set_num_threads(1)
