"""Workdirs of the first version: each loads and generates as it did when it was made."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from tfwavenet import training

FOLDER = pathlib.Path(__file__).parent


@pytest.mark.parametrize("name", ["wavenet", "teacher", "diffwave", "student"])
def test_a_workdir_of_the_first_version_generates_the_same(name):
    with np.load(FOLDER / "expected.npz") as expected:
        mel, audio = expected["mel"], expected[name]
    model = training.load(FOLDER / name).model
    np.testing.assert_allclose(model.generate(mel, speaker=1, seed=3), audio, rtol=0, atol=1e-6)
