"""Every public callback works in a stock `model.fit` and leaves training as it is."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.inventory import CALLBACKS, FITTED_MODELS, MODELS, STEPS_PER_EPOCH

VOCODER = "WaveNet-vocoder"


def fitted(name, make_callbacks):
    """A model after two epochs, and the history."""
    entry = MODELS[name]
    keras.utils.set_random_seed(1)
    model = entry.build()
    batch = tf.nest.map_structure(tf.constant, entry.batch)
    model(batch)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    data = tf.data.Dataset.from_tensors(batch).repeat(2 * STEPS_PER_EPOCH)
    history = model.fit(
        data,
        epochs=2,
        steps_per_epoch=STEPS_PER_EPOCH,
        callbacks=make_callbacks(model),
        verbose=0,
    )
    return model, history.history


@pytest.fixture(scope="module")
def undisturbed():
    return {name: fitted(name, lambda model: []) for name in {VOCODER, *FITTED_MODELS.values()}}


@pytest.mark.parametrize("name", CALLBACKS)
def test_training_is_the_same_with_the_callback(name, tmp_path, undisturbed):
    chosen = FITTED_MODELS.get(name, VOCODER)
    model, history = fitted(chosen, lambda model: [CALLBACKS[name](model, tmp_path)])
    expected_model, expected_history = undisturbed[chosen]
    assert history["loss"] == expected_history["loss"]
    for actual, expected in zip(model.get_weights(), expected_model.get_weights()):
        np.testing.assert_array_equal(actual, expected)
