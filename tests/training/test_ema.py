"""`tfwavenet.training.ema` against a NumPy loop, and what it must never do."""

from __future__ import annotations

import doctest

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.training import ema
from tfwavenet.training.ema import ExponentialMovingAverage, UpdateAverage


def small_model(seed=0):
    initializer = keras.initializers.RandomNormal(seed=seed)
    dense = keras.layers.Dense(3, kernel_initializer=initializer)
    model = keras.Sequential([keras.Input([2]), dense, keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(12, 2)).astype("f4"), generator.normal(size=(12, 3)).astype("f4")


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9999])  # never, soon, and not yet past the warm-up
def test_fit_averages_every_update(decay):
    model = small_model()
    average = ExponentialMovingAverage(model, decay=decay)
    expected = [weight.astype("f8") for weight in map(np.array, model.trainable_variables)]
    history = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            history.append([weight.numpy().astype("f8") for weight in model.trainable_variables])

    model.fit(
        *data(), batch_size=4, epochs=4, verbose=0, callbacks=[UpdateAverage(average), Watch()]
    )
    for count, weights in enumerate(history, start=1):
        rate = 1 - min(decay, (1 + count) / (10 + count))
        expected = [old + rate * (new - old) for old, new in zip(expected, weights)]
    assert len(history) == int(average.updates) == 12
    for got, wanted in zip(average.averages, expected):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_fit_is_the_same_with_and_without():
    plain, averaged = small_model(), small_model()
    averaged.set_weights(plain.get_weights())
    average = ExponentialMovingAverage(averaged, decay=0.9)
    plain.fit(*data(), batch_size=4, epochs=2, shuffle=False, verbose=0)
    averaged.fit(
        *data(),
        batch_size=4,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[UpdateAverage(average)],
    )
    for one, other in zip(plain.get_weights(), averaged.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_swapping_lends_the_averages_and_returns_the_weights():
    model = small_model()
    average = ExponentialMovingAverage(model, decay=0.9)
    inside_expected = [value.numpy() for value in average.averages]
    model.fit(*data(), epochs=1, verbose=0)
    before = model.get_weights()
    with average.swapped_in(model) as swapped:
        assert swapped is model
        for one, other in zip(model.trainable_variables, inside_expected):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(KeyError), average.swapped_in(model):
        raise KeyError
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)


def test_survives_a_checkpoint(tmp_path):
    model = small_model()
    average = ExponentialMovingAverage(model, decay=0.5)
    model.fit(*data(), epochs=2, verbose=0, callbacks=[UpdateAverage(average)])
    path = tf.train.Checkpoint(ema=average).write(str(tmp_path / "ema"))

    restored = ExponentialMovingAverage(small_model(seed=1), decay=0.5)
    tf.train.Checkpoint(ema=restored).read(path).assert_consumed()
    assert int(restored.updates) == 2
    for one, other in zip(restored.averages, average.averages):
        np.testing.assert_array_equal(one, other)


def test_checkpoint_holds_no_second_copy_of_the_weights(tmp_path):
    average = ExponentialMovingAverage(small_model(), decay=0.5)
    path = tf.train.Checkpoint(ema=average).write(str(tmp_path / "ema"))
    names = [name for name, _ in tf.train.list_variables(path) if "OBJECT_GRAPH" not in name]
    assert len(names) == 1 + len(average.averages)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_averages_stay_in_float32_under_mixed_precision(policy):
    keras.mixed_precision.set_global_policy(policy)
    model = small_model()
    average = ExponentialMovingAverage(model, decay=0.5)
    model.fit(*data(), epochs=1, verbose=0, callbacks=[UpdateAverage(average)])
    assert {value.dtype for value in average.averages} == {tf.float32}
    rounded = tf.cast(average.averages[0], policy[len("mixed_") :])
    assert np.any(tf.cast(rounded, tf.float32) != average.averages[0])


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_rejects_a_decay_out_of_range(decay):
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)\. Received: decay="):
        ExponentialMovingAverage(small_model(), decay=decay)


def test_rejects_a_model_without_weights():
    model = keras.Sequential([keras.Input([2]), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="model must be built"):
        ExponentialMovingAverage(model, decay=0.9)


def test_examples_in_the_docstrings():
    assert doctest.testmod(ema, extraglobs={"tf": tf}).failed == 0
