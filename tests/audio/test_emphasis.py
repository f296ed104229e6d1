"""Pre-emphasis and its inverse against a loop, in whole and in chunks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.audio import emphasis


def loop(audio, coefficient):
    before = np.concatenate([[0.0], audio[:-1]])
    return audio - coefficient * before


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.85, 0.97])
def test_equals_the_difference_equation(coefficient):
    audio = np.random.default_rng(0).normal(size=300)
    emphasized, _ = emphasis.pre_emphasis(audio, coefficient=coefficient)
    np.testing.assert_allclose(emphasized, loop(audio, coefficient), atol=1e-15)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-13), (np.float32, 2e-6)])
@pytest.mark.parametrize("coefficient", [0.0, 0.85, 0.97])
def test_inverse(coefficient, dtype, atol):
    audio = np.random.default_rng(1).uniform(-1, 1, size=(2, 5000)).astype(dtype)
    emphasized, _ = emphasis.pre_emphasis(audio, coefficient=coefficient)
    restored, _ = emphasis.de_emphasis(emphasized, coefficient=coefficient)
    assert restored.dtype == dtype
    np.testing.assert_allclose(restored, audio, atol=atol)


@pytest.mark.parametrize("function", [emphasis.pre_emphasis, emphasis.de_emphasis])
@pytest.mark.parametrize("cuts", [(1,), (1, 2, 3), (499,), (0, 250, 250, 500), (64, 128, 192)])
def test_chunks_give_the_bits_of_the_whole(function, cuts):
    audio = np.random.default_rng(2).normal(size=(3, 500)).astype(np.float32)
    whole, final = function(audio, coefficient=0.85)
    state, parts = None, []
    for chunk in np.split(audio, cuts, axis=-1):
        part, state = function(chunk, coefficient=0.85, state=state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)
    np.testing.assert_array_equal(state, final)


@pytest.mark.parametrize("coefficient", [-0.1, 1.0, np.nan])
def test_coefficient_out_of_range(coefficient):
    with pytest.raises(ValueError, match="Received: coefficient="):
        emphasis.pre_emphasis(np.zeros(4), coefficient=coefficient)


def test_integers_are_rejected():
    with pytest.raises(ValueError, match="Received: dtype=int16"):
        emphasis.de_emphasis(np.zeros(4, np.int16), coefficient=0.85)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.85, 0.97, 0.999])
@pytest.mark.parametrize("cuts", [(), (0, 1, 5), (1500,)])
def test_the_graph_undoes_it_as_numpy_does(cuts, coefficient):
    audio = np.random.default_rng(3).uniform(-1, 1, size=(2, 3000))
    expected, _ = emphasis.de_emphasis(audio, coefficient=coefficient)
    state, parts = tf.zeros([2], tf.float64), []
    for chunk in np.split(audio, cuts, axis=1):
        part, state = emphasis.de_emphasis_graph(
            tf.constant(chunk), coefficient=coefficient, state=state
        )
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, rtol=0, atol=1e-12)
