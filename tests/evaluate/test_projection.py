from __future__ import annotations

import numpy as np
import pytest
import torch

from zehn.errors import InputError
from zehn.evaluate.projection import project


def test_a_map_leaves_torch_its_number_of_threads() -> None:
    codes = np.random.default_rng(0).normal(size=(30, 4))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert project(codes).shape == (30, 2)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_map_needs_four_codes() -> None:
    with pytest.raises(InputError, match="at least 4 codes"):
        project(np.zeros((3, 4)))
