"""Every public model: configuration, saving, `fit`, graphs, XLA, precision, generation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfwavenet
from tests.conformance import checks
from tests.conformance.inventory import MODELS
from tests.support.keras_files import through_saved_model
from tfwavenet import rng

pytestmark = pytest.mark.parametrize("name", MODELS)


def built(name, *, run_eagerly=False):
    """A fresh compiled model, its batch, and its outputs for it."""
    keras.utils.set_random_seed(1)
    model = MODELS[name].taught(MODELS[name].build())
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=run_eagerly)
    batch = tf.nest.map_structure(tf.constant, MODELS[name].batch)
    model(batch)
    # Biases, and the whole last layer of a DiffWave, begin as zeros, which would hide mistakes.
    for index, weight in enumerate(model.trainable_weights):
        if not np.any(weight.numpy()):
            weight.assign(0.1 * rng.normal(weight.shape, rng.make_seed(index)))
    return model, batch, model(batch)


def repeated(batch, steps):
    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def test_config_round_trips_through_json(name):
    model, batch, outputs = built(name)
    config = model.get_config()
    copy = type(model).from_config(checks.through_json(config))
    assert checks.through_json(copy.get_config()) == checks.through_json(config)
    copy(batch)
    copy.set_weights(model.get_weights())
    checks.assert_same(copy(batch), outputs)


def test_fit_with_stock_callbacks_lowers_the_loss(name, tmp_path):
    model, batch, _ = built(name)
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.weights.h5", save_weights_only=True),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.EarlyStopping("val_loss"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    data = repeated(batch, 5)
    history = model.fit(
        data, validation_data=repeated(batch, 1), epochs=2, callbacks=callbacks, verbose=0
    ).history
    assert history["loss"][1] < history["loss"][0]
    assert np.isfinite(history["val_loss"]).all()


def test_saved_model_computes_the_same(name, tmp_path):
    model, batch, _ = built(name, run_eagerly=True)
    model.fit(repeated(batch, 2), verbose=0)
    loaded = through_saved_model(model, tmp_path / "saved_model", batch)
    checks.assert_close(loaded(batch), model(batch))


def test_keras_file_computes_the_same_and_resumes_training(name, tmp_path):
    model, batch, _ = built(name, run_eagerly=True)
    model.fit(repeated(batch, 2), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    checks.assert_close(loaded(batch), model(batch))
    for each in (model, MODELS[name].taught(loaded)):
        each.fit(repeated(batch, 2), verbose=0)
    checks.assert_close(loaded.get_weights(), model.get_weights())
    assert int(loaded.optimizer.iterations) == 4


def test_weights_file_restores_the_model(name, tmp_path):
    model, batch, outputs = built(name)
    model.save_weights(tmp_path / "model.weights.h5")
    other = MODELS[name].build()
    other(batch)
    other.load_weights(tmp_path / "model.weights.h5")
    checks.assert_same(other(batch), outputs)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_equals_eager(name, jit_compile):
    model, batch, outputs = built(name)
    compiled = tf.function(model, jit_compile=jit_compile)
    checks.assert_close(compiled(batch), outputs)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_close_to_float32(name, policy):
    model, batch, outputs = built(name)
    keras.mixed_precision.set_global_policy(policy)
    mixed = MODELS[name].build()
    mixed(batch)
    mixed.set_weights(model.get_weights())
    actual = mixed(batch)
    assert actual.dtype == tf.float32
    assert {tf.as_dtype(weight.dtype) for weight in mixed.trainable_weights} == {tf.float32}
    checks.assert_close(actual, outputs, policy)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(name, policy):
    keras.mixed_precision.set_global_policy(policy)
    model, batch, _ = built(name)
    history = model.fit(repeated(batch, 5), epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]


def test_every_weight_has_a_finite_gradient(name):
    model, batch, _ = built(name)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model.sample_loss(batch, True))
    for weight, gradient in zip(
        model.trainable_weights, tape.gradient(loss, model.trainable_weights)
    ):
        assert gradient is not None, weight.name
        assert np.all(np.isfinite(tf.convert_to_tensor(gradient))), weight.name


def test_generation_from_a_reloaded_model_is_the_same(name, tmp_path):
    model, batch, _ = built(name)
    conditioning = {"speaker": batch["speaker"]} if "speaker" in batch else {}
    if "mel" in batch:
        conditioning["mel"] = batch["mel"]
    samples = {} if "mel" in batch else {"samples": 16}
    options = {"seed": 3, "jit_compile": False, **conditioning, **samples}
    model.save(tmp_path / "model.keras")
    loaded = tfwavenet.load_model(tmp_path / "model.keras")
    first, second = (each.generate(**options) for each in (model, loaded))
    np.testing.assert_array_equal(first, second)
    assert model.writes_text or np.all(np.abs(first) <= 1)
