"""The feature recipe as a value, its validation, and what `mel` accepts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.recipe_checks import lacks_statistics

SMALL = {
    "sample_rate": 8000,
    "n_fft": 256,
    "win_samples": 200,
    "hop_samples": 50,
    "n_mels": 20,
}


@pytest.fixture(scope="module")
def recipe():
    return FeatureRecipe(**SMALL)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)


def test_config_is_json_and_complete(recipe):
    fitted = recipe.with_statistics(np.zeros(20), np.ones(20, np.float32))
    config = json.loads(json.dumps(fitted.get_config()))
    assert FeatureRecipe.from_config(config) == fitted
    later = {"features", "power_offset"}  # left out at their defaults
    assert set(config) == {field.name for field in dataclasses.fields(FeatureRecipe)} - later
    assert isinstance(fitted.mean, tuple) and hash(fitted) != hash(recipe)


def test_numbers_are_normalised():
    whole = FeatureRecipe(**SMALL, fmax_hz=4000, power=1)
    real = FeatureRecipe(**SMALL, fmax_hz=np.float32(4000.0), power=1.0)
    assert whole == real and whole.fingerprint() == real.fingerprint()
    assert isinstance(whole.fmax_hz, float)


def test_fingerprint_is_stable(recipe):
    # Saved with models: it must not change between versions.
    assert recipe.fingerprint() == "f030d3b9c4aea425"
    assert dataclasses.replace(recipe, floor=2e-5).fingerprint() != recipe.fingerprint()


@pytest.mark.parametrize("function", [lambda r: r.mel, lambda r: tf.function(r.mel)])
def test_batch_equals_per_item(recipe, function):
    audio = noise(3, 1234)
    batch = function(recipe)(tf.constant(audio)).numpy()
    assert batch.shape == (3, recipe.frame_count(1234), 20) and batch.dtype == np.float32
    for item, mel in zip(audio, batch):
        np.testing.assert_array_equal(recipe.mel(item), mel)


def test_mel_of_a_dynamic_length(recipe):
    function = tf.function(recipe.mel, input_signature=[tf.TensorSpec([None, None])])
    for samples in (500, 777):
        audio = noise(2, samples)
        np.testing.assert_array_equal(function(audio), recipe.mel(audio))


def test_float64_audio_is_accepted(recipe):
    audio = noise(600)
    np.testing.assert_array_equal(recipe.mel(audio.astype(np.float64)), recipe.mel(audio))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"compression": "log10", "floor": 1e-10},
        {"compression": "db", "reference": 20.0, "normalization": "range"},
        {
            "compression": "db",
            "normalization": "range",
            "input_range": (-100, 60),
            "output_range": (-4, 4),
        },
        {"normalization": "standard", "mean": (-3.0,) * 20, "std": (0.5,) * 20},
    ],
)
def test_normalisation_and_compression_are_invertible(changes):
    recipe = FeatureRecipe(**{**SMALL, **changes})
    plain = FeatureRecipe(**SMALL, floor=recipe.floor)
    audio = 0.3 * noise(1000)
    linear = np.exp(plain.mel(audio).numpy())
    restored = recipe.decompress(recipe.denormalize(recipe.mel(audio))).numpy()
    np.testing.assert_allclose(restored, linear, rtol=2e-4)


def test_range_clips():
    recipe = FeatureRecipe(**SMALL, normalization="range", input_range=(-5, -3))
    mel = recipe.mel(np.concatenate([np.zeros(500), noise(500)])).numpy()
    assert mel.min() == 0.0 and mel.max() == 1.0


def test_standard_needs_statistics(recipe):
    needy = dataclasses.replace(recipe, normalization="standard")
    with pytest.raises(ValueError, match=r"expected mean and std .* Received: mean=None, std=None"):
        needy.mel(noise(1000))
    compressed = needy.compressed_mel(noise(1000)).numpy()
    fitted = needy.with_statistics(compressed.mean(axis=0), compressed.std(axis=0))
    assert [lacks_statistics(one) for one in (recipe, needy, fitted)] == [False, True, False]
    mel = fitted.mel(noise(1000)).numpy()
    np.testing.assert_allclose(mel.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(mel.std(axis=0), 1.0, atol=1e-4)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.full(1000, np.nan, np.float32), "must be finite"),
        (np.array([0.0] * 999 + [np.inf]), "must be finite"),
        (np.zeros((1, 2, 1000), np.float32), r"shape=\(1, 2, 1000\)"),
        (np.float32(0.0), r"shape=\(\)"),
        (np.zeros(1000, np.int16), "dtype=int16"),
        (np.zeros(128, np.float32), "at least 129 samples. Received: samples=128"),
        (np.zeros(0, np.float32), "samples=0"),
        (np.zeros((1000, 2), np.float32), r"shape=\(1000, 2\), which looks like \[samples, cha"),
        (np.zeros((1000, 1), np.float32), r"looks like \[samples, channels\]"),
        (3e4 * noise(1000), "divide 16-bit samples by 32768. Received: samples up to"),
    ],
)
def test_bad_audio(recipe, audio, message):
    with pytest.raises(ValueError, match=message):
        recipe.mel(audio)


def test_one_sample_is_enough_without_reflection():
    assert FeatureRecipe(**SMALL, pad_mode="constant").mel(noise(1)).shape == (1, 20)


@pytest.mark.parametrize("framing", ["center", "exact", "same", "whole", "full"])
@pytest.mark.parametrize("samples", [200, 1000, 1001, 1049])
def test_analyze_aligns(framing, samples):
    changes = {"framing": framing, "pad_mode": "constant", "n_fft": 200}
    recipe = FeatureRecipe(**{**SMALL, **changes})
    audio = noise(samples)
    signal, mel = recipe.analyze(audio)
    assert len(signal) == len(mel) * 50 and len(mel) == recipe.frame_count(samples)
    kept = signal[recipe.signal_offset :][:samples]
    np.testing.assert_array_equal(kept, audio[: len(kept)])
    assert len(kept) >= samples - 50 and recipe.signal_offset == (150 if framing == "full" else 0)
    np.testing.assert_array_equal(mel, recipe.mel(audio))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_samples": 0}, "hop_samples=0"),
        ({"hop_samples": 2.5}, "hop_samples=2.5"),
        ({"hop_samples": 201}, "at most win_samples=200. Received: hop_samples=201"),
        ({"hop_samples": True}, "hop_samples=True"),
        ({"win_samples": 257}, "at most n_fft=256. Received: win_samples=257"),
        ({"n_fft": 255}, "even. Received: n_fft=255"),
        ({"sample_rate": -1}, "sample_rate=-1"),
        ({"sample_rate": "8k"}, "sample_rate='8k'"),
        ({"fmax_hz": 4000.5}, "half the sample rate. Received: fmax_hz=4000.5"),
        ({"fmax_hz": 0.0}, "fmax_hz=0.0"),
        ({"fmin_hz": 4000.0}, "below fmax_hz. Received: fmin_hz=4000.0"),
        ({"fmin_hz": -1.0}, "fmin_hz=-1.0"),
        ({"n_mels": 0}, "n_mels=0"),
        ({"n_mels": 200}, r"filter \d+ is empty\). Received: n_mels=200"),
        ({"power": 0.0}, "power=0.0"),
        ({"floor": 0.0}, "floor=0.0"),
        ({"floor": float("nan")}, "floor=nan"),
        ({"gain": 0.0}, "gain=0.0"),
        ({"reference": float("inf")}, "reference=inf"),
        ({"window": "hamming"}, "window='hamming'"),
        ({"framing": "middle"}, "framing='middle'"),
        ({"compression": "log"}, "compression='log'"),
        ({"normalization": "minmax"}, "normalization='minmax'"),
        ({"overflow": "wrap"}, "overflow='wrap'"),
        ({"mulaw_rounding": "up"}, "mulaw_rounding='up'"),
        ({"framing": "full"}, "divisor of n_fft=256. Received: hop_samples=50"),
        ({"input_range": (0.0, 0.0)}, r"ascending. Received: input_range=\(0.0, 0.0\)"),
        ({"output_range": (0.0, 1.0, 2.0)}, "two finite numbers"),
        ({"output_range": 1.0}, "output_range=1.0"),
        ({"mean": (0.0,) * 19, "std": (1.0,) * 20}, "n_mels=20 numbers"),
        ({"mean": (0.0,) * 20}, "given exactly when mean is. Received: std=None"),
        ({"mean": (0.0,) * 20, "std": (0.0,) * 20}, "std"),
        ({"pre_emphasis": 1.0}, "pre_emphasis=1.0"),
        ({"feature_pre_emphasis": -0.1}, "feature_pre_emphasis=-0.1"),
        ({"peak": 1.5}, "at most 1. Received: peak=1.5"),
        ({"trim_top_db": 0.0}, "trim_top_db=0.0"),
        ({"high_pass_hz": 4000.0}, "high_pass_hz=4000.0"),
    ],
)
def test_fields_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        FeatureRecipe(**{**SMALL, **changes})


def test_unknown_field(recipe):
    config = {**recipe.get_config(), "fmax": 8000}
    with pytest.raises(
        ValueError, match=r"no field 'fmax' \(did you mean 'fmax_hz'\?\). Received: fmax=8000"
    ):
        FeatureRecipe.from_config(config)
