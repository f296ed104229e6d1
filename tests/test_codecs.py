"""Codecs against the functions and recipes that define them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import codecs
from tfwavenet.audio import mulaw, recipes
from tfwavenet.codecs import Characters, Linear, MuLaw
from tfwavenet.distributions import Categorical, Gaussian, MixtureOfLogistics
from tfwavenet.text import TextRecipe

TEXT = TextRecipe(classes=8, characters="abc")
AUDIO = np.linspace(-1, 1, 101).astype(np.float32)


@pytest.mark.parametrize(
    ("distribution", "recipe", "expected"),
    [
        (Gaussian(), None, Linear()),
        (MixtureOfLogistics(), recipes.get("r9y9"), Linear()),
        (Categorical(classes=16), None, MuLaw(16)),
        (Categorical(), recipes.get("speech_8k"), MuLaw(256)),
        (Categorical(), recipes.get("r9y9"), MuLaw(256, "truncate")),
        (Categorical(classes=8), TEXT, Characters(TEXT)),
    ],
)
def test_distribution_and_recipe_say_which_codec(distribution, recipe, expected):
    assert codecs.get(distribution, recipe) == expected


@pytest.mark.parametrize("distribution", [Gaussian(), Categorical(classes=9)])
def test_text_takes_as_many_classes_as_its_recipe(distribution):
    with pytest.raises(ValueError, match="Categorical distribution with the 8 classes"):
        codecs.get(distribution, TEXT)


@pytest.mark.parametrize("codec", [MuLaw(), MuLaw(16, "truncate")])
def test_mulaw_codes(codec):
    codes = codec.encode(AUDIO)
    expected = mulaw.encode(AUDIO, codec.num_codes, codec.rounding)
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(codec.encode(codec.decode(codes)), codes)
    np.testing.assert_array_equal(codec.encode(codes), codes)
    silence = int(mulaw.encode(np.float32(0), codec.num_codes, codec.rounding))
    assert codec.initial_values(3).numpy().tolist() == [silence] * 3


def test_amplitudes_stay_as_they_are():
    np.testing.assert_array_equal(Linear().decode(Linear().encode(AUDIO)), AUDIO)
    assert Linear().initial_values(2).numpy().tolist() == [0, 0]


def test_only_known_characters_can_be_drawn():
    codec = Characters(TEXT)
    restricted = codec.restrict(tf.zeros([2, 8])).numpy()
    assert (restricted == 0).tolist() == [[False, True, True, True, *[False] * 4]] * 2
    assert codec.initial_values(1).numpy().tolist() == [0]
    with pytest.raises(ValueError, match="codes of a text. Received: dtype=float32"):
        codec.encode(AUDIO)


@pytest.mark.parametrize("codec", [Linear(), MuLaw(), Characters(TEXT)])
def test_values_and_signals_have_the_dtypes_that_a_codec_names(codec):
    signal = tf.zeros([4], codec.signal_dtype)
    assert codec.encode(signal).dtype == codec.dtype
    assert codec.decode(codec.encode(signal)).dtype == codec.signal_dtype
    assert codec.initial_values(2).dtype == codec.dtype
