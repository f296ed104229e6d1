"""A model that has seen no batch can do all that one can do that has."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import tfwavenet
from tfwavenet.layers import StretchUpsampler

SMALL = {"dilation_cycle": 2, "residual_channels": 4}
GATED = {"gate_channels": 4, "skip_channels": 4}


def wavenet():
    return tfwavenet.WaveNet(num_layers=2, **SMALL, **GATED)


def diffwave():
    return tfwavenet.DiffWave(num_layers=2, **SMALL, step_channels=8, schedule=[0.01, 0.1])


def student():
    return tfwavenet.ParallelWaveNet(flow_layers=(2,), **SMALL, **GATED)


MODELS = pytest.mark.parametrize("make", [wavenet, diffwave, student])


@MODELS
def test_it_generates(make):
    assert make().generate(samples=10, jit_compile=False).shape == (1, 10)


@pytest.mark.parametrize("make", [wavenet, student])
def test_it_streams(make):
    assert make().stream(jit_compile=False).pull(10).shape == (10,)


def test_the_example_of_streams():
    model = tfwavenet.WaveNet(num_layers=2, upsampler=StretchUpsampler((8, 10)), recipe="speech_8k")
    stream = model.stream(chunk_samples=800, jit_compile=False)
    audio = [stream.push(np.zeros([5, 40])) for _ in range(4)]
    audio.append(stream.finish())
    assert sum(map(len, audio)) == 1600


@MODELS
@pytest.mark.parametrize("save", ["method", "function"])
def test_it_is_saved_with_its_weights(make, save, tmp_path):
    model, path = make(), str(tmp_path / "model.keras")
    with warnings.catch_warnings():
        if save == "method":
            warnings.filterwarnings("error", message=".*not yet been built.*")
            model.save(path)
        else:
            warnings.simplefilter("ignore")
            keras.saving.save_model(model, path)
    loaded = tfwavenet.load_model(path)
    assert len(loaded.get_weights()) == len(model.get_weights()) > 20
    for one, other in zip(loaded.layers, model.layers):
        for saved, weight in zip(one.get_weights(), other.get_weights()):
            np.testing.assert_array_equal(saved, weight)


@MODELS
def test_its_weights_are_saved_and_loaded(make, tmp_path):
    model, path = make(), str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    other = make()
    other.load_weights(path)
    for one, another in zip(model.layers, other.layers):
        for saved, weight in zip(one.get_weights(), another.get_weights()):
            np.testing.assert_array_equal(saved, weight)


@MODELS
def test_it_becomes_a_preset(make, tmp_path):
    model = make()
    model.save_to_preset(tmp_path / "preset")
    loaded = tfwavenet.from_preset(str(tmp_path / "preset"))
    assert loaded.count_params() == model.count_params()


@MODELS
def test_it_is_exported(make, tmp_path):
    assert tfwavenet.export_saved_model(make(), tmp_path / "served").name == "1"


@MODELS
def test_it_is_counted_and_shown(make, capsys):
    assert make().count_params() > 100
    make().summary()
    assert "Total params" in capsys.readouterr().out
