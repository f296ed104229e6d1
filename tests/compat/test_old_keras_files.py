"""Files that `model.save` of earlier versions wrote still load, and generate the same audio.

The files were written by the code at commit 510d493, before the network was a layer of its own.
"""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest

import tfwavenet
from tests.support.keras_files import KERAS_3

FOLDER = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def expected():
    return dict(np.load(FOLDER / "expected.npz"))


def of_keras(path):
    return keras.models.load_model(path, compile=False)


# Keras 3's own does not find the layers of a student that Keras 2 wrote.
LOADERS = [tfwavenet.load_model, *([] if KERAS_3 else [of_keras])]


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("name", ["wavenet", "teacher", "diffwave", "student"])
def test_a_model_of_an_earlier_version(name, load, expected):
    model = load(FOLDER / f"{name}.keras")
    audio = model.generate(expected["mel"], speaker=1, seed=3)
    np.testing.assert_allclose(audio, expected[name], atol=1e-6)


@pytest.mark.parametrize("load", LOADERS)
def test_a_recipe_in_the_former_spelling(load, expected):
    model = load(FOLDER / "centre.keras")
    assert model.recipe.framing == "center"
    audio = model.generate(samples=50, speaker=2, seed=4)
    np.testing.assert_allclose(audio, expected["centre"], atol=1e-6)
