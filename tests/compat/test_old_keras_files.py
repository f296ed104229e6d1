"""Files that `model.save` of earlier versions wrote still load, and generate the same audio.

The files were written by the code at commit 510d493, before the network was a layer of its own.
"""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest

import tfwavenet  # noqa: F401 - registers the classes

FOLDER = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def expected():
    return dict(np.load(FOLDER / "expected.npz"))


@pytest.mark.parametrize("name", ["wavenet", "teacher", "diffwave", "student"])
def test_a_model_of_an_earlier_version(name, expected):
    model = keras.models.load_model(FOLDER / f"{name}.keras", compile=False)
    audio = model.generate(expected["mel"], speaker=1, seed=3)
    np.testing.assert_allclose(audio, expected[name], atol=1e-6)


def test_a_recipe_in_the_former_spelling(expected):
    model = keras.models.load_model(FOLDER / "centre.keras", compile=False)
    assert model.recipe.framing == "center"
    audio = model.generate(samples=50, speaker=2, seed=4)
    np.testing.assert_allclose(audio, expected["centre"], atol=1e-6)
