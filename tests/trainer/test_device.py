"""How torch computes once a device is chosen."""

import subprocess
import sys

CODE = """
import torch
from trainer.device import choose_device
choose_device("cpu", 2)
shrunk = torch.full((2_000_000,), 2e-38).mul_(0.1)  # by two threads
print(int(torch.count_nonzero(shrunk)), torch.get_num_threads())
"""


def test_numbers_too_small_for_any_weight_are_zero_in_every_thread() -> None:
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["0", "2"]
