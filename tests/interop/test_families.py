"""Families without golden files: their networks against NumPy, from files in their formats."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.support import numpy_networks
from tests.support.checkpoints import (
    FILES,
    IBAB_DILATIONS,
    REVSIC_PARAMETERS,
    ibab_variables,
    noise,
    philsyn_config,
    revsic_variables,
    write_ibab,
    write_revsic,
)
from tfwavenet import interop
from tfwavenet.audio import recipes
from tfwavenet.interop import torch_files


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def test_philsyn_vocoder(tmp_path):
    path = tmp_path / "1000.pkl"
    shutil.copy(FILES / "philsyn_vocoder.pkl", path)
    config = philsyn_config(sampling_rate=22050, hop_length=16, mel_fmax=8000.0)
    (tmp_path / "config.json").write_text(json.dumps(config))
    imported = interop.load(path)
    audio, mel, steps = noise(2, 48), noise(2, 3, 5, seed=1), np.array([0, 29])
    ours = imported.model({"audio": audio, "step": tf.constant(steps), "mel": mel})
    state = torch_files.read(path)["model_state_dict"]
    theirs = numpy_networks.philsyn(state, audio, steps, np.transpose(mel, [0, 2, 1]), cycle=2)
    assert_close(ours, theirs)
    assert (imported.family, imported.step) == ("philsyn", 1000)
    assert imported.model.recipe.fmax_hz == 8000.0
    assert len(imported.model.schedule.betas) == 30


def test_philsyn_unconditional():
    path = FILES / "philsyn_unconditional.pkl"
    imported = interop.load(path, hyperparameters=philsyn_config(sampling_rate=16000))
    audio, steps = noise(2, 40), np.array([3, 17])
    ours = imported.model({"audio": audio, "step": tf.constant(steps)})
    state = torch_files.read(path)["model_state_dict"]
    assert_close(ours, numpy_networks.philsyn(state, audio, steps, cycle=2))
    assert imported.model.recipe.sample_rate == 16000


@pytest.mark.parametrize(("biases", "speakers"), [(True, None), (False, None), (True, 3)])
def test_ibab(tmp_path, biases, speakers):
    variables = ibab_variables(biases, speakers)
    imported = interop.load(write_ibab(tmp_path, variables))
    codes = np.random.default_rng(1).integers(0, 8, [2, 20])
    batch, theirs = {"audio": tf.constant(codes, tf.int32)}, {}
    if speakers:
        batch["speaker"] = tf.constant([2, 0])
        theirs["speaker"] = np.array([2, 0])
    expected = numpy_networks.ibab(variables, codes, IBAB_DILATIONS, **theirs)
    assert_close(imported.model(batch), np.transpose(expected, [0, 2, 1]))
    assert (imported.family, imported.step) == ("ibab", 700)
    assert imported.model.recipe.mulaw_rounding == "nearest"


def test_revsic(tmp_path):
    variables = revsic_variables()
    path = write_revsic(tmp_path, variables)
    imported = interop.load(path, hyperparameters=REVSIC_PARAMETERS)
    audio, mel, steps = noise(2, 48), noise(2, 3, 5, seed=1), np.array([1, 12])
    ours = imported.model({"audio": audio, "step": tf.constant(steps - 1), "mel": mel})
    theirs = numpy_networks.revsic(variables, audio, steps, np.transpose(mel, [0, 2, 1]), cycle=2)
    assert_close(ours, theirs)
    assert (imported.family, imported.step) == ("revsic", 9)


@pytest.mark.parametrize("form", ["zip", "stream"])
def test_a_training_run_of_nv_wavenet(form):
    path = FILES / f"nv_wavenet_run.{form}.pt"
    imported = interop.load(path, hyperparameters={"max_dilation": 2, "upsamp_stride": 2})
    state = torch_files.read(path)["model"].state_dict()
    assert (imported.family, imported.step) == ("nv_wavenet", 5)
    np.testing.assert_array_equal(
        imported.model.blocks[1].conv.kernel,
        np.transpose(state["dilate_layers.1.conv.weight"]),
    )


# What the projects publish: the recipe of the checkpoint is then the named one.
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("philsyn_vocoder.pkl", {}, {"base": "philsyn", "n_mels": 5, "hop_samples": 16}),
        ("philsyn_unconditional.pkl", {}, {"base": "philsyn", "sample_rate": 16000}),
        (
            "nv_wavenet_run.zip.pt",
            {"upsamp_stride": 2, "max_dilation": 2},
            {"base": "nv_wavenet", "n_mels": 3, "hop_samples": 2},
        ),
    ],
)
def test_the_recipe_is_that_of_the_family(name, values, expected):
    imported = interop.load(FILES / name, hyperparameters=values)
    assert imported.model.recipe == recipes.get(expected)
