"""Every public layer: configuration, saving, graphs, XLA, precision, gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import checks
from tests.conformance.inventory import LAYERS
from tests.support.keras_files import through_saved_model

pytestmark = pytest.mark.parametrize("name", LAYERS)


def built(name):
    """A fresh layer, its example inputs and its outputs for them."""
    keras.utils.set_random_seed(1)
    layer = LAYERS[name].build()
    return layer, LAYERS[name].inputs, layer(**LAYERS[name].inputs)


def as_model(layer, inputs):
    symbols = {
        key: keras.Input(value.shape[1:], dtype=value.dtype, name=key)
        for key, value in inputs.items()
    }
    return keras.Model(symbols, layer(**symbols))


def test_config_round_trips_through_json(name):
    layer, inputs, outputs = built(name)
    config = layer.get_config()
    copy = type(layer).from_config(checks.through_json(config))
    assert checks.through_json(copy.get_config()) == checks.through_json(config)
    copy(**inputs)
    copy.set_weights(layer.get_weights())
    checks.assert_same(copy(**inputs), outputs)


def test_every_constructor_argument_is_in_the_config(name):
    layer = LAYERS[name].build()
    arguments = type(layer).__init__.__code__.co_varnames[1:]
    count = layer.__init__.__func__.__code__
    named = arguments[: count.co_argcount + count.co_kwonlyargcount - 1]
    assert set(named) <= set(layer.get_config())


def test_keras_file_computes_the_same(name, tmp_path):
    layer, inputs, outputs = built(name)
    as_model(layer, inputs).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    checks.assert_same(loaded(inputs), outputs)


def test_saved_model_computes_the_same(name, tmp_path):
    layer, inputs, outputs = built(name)
    loaded = through_saved_model(as_model(layer, inputs), tmp_path / "saved_model", inputs)
    checks.assert_close(loaded(inputs), outputs)


def test_weights_file_restores_the_layer(name, tmp_path):
    layer, inputs, outputs = built(name)
    as_model(layer, inputs).save_weights(tmp_path / "model.weights.h5")
    keras.utils.set_random_seed(2)
    other = LAYERS[name].build()
    model = as_model(other, inputs)
    model.load_weights(tmp_path / "model.weights.h5")
    checks.assert_same(other(**inputs), outputs)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_equals_eager(name, jit_compile):
    layer, inputs, outputs = built(name)
    tensors = tf.nest.map_structure(tf.constant, inputs)
    compiled = tf.function(lambda kwargs: layer(**kwargs), jit_compile=jit_compile)
    checks.assert_close(compiled(tensors), outputs)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_close_to_float32(name, policy):
    layer, inputs, outputs = built(name)
    keras.mixed_precision.set_global_policy(policy)
    mixed = LAYERS[name].build()
    mixed(**inputs)
    assert {tf.as_dtype(weight.dtype) for weight in mixed.weights} <= {tf.float32}
    mixed.set_weights(layer.get_weights())
    actual = mixed(**inputs)
    expected_dtype = keras.mixed_precision.global_policy().compute_dtype
    expected_dtype = "float32" if LAYERS[name].outputs_float32 else expected_dtype
    assert {tensor.dtype.name for tensor in tf.nest.flatten(actual)} == {expected_dtype}
    checks.assert_close([tf.cast(t, tf.float32) for t in tf.nest.flatten(actual)], outputs, policy)


def test_every_weight_has_a_gradient(name):
    layer, inputs, _ = built(name)
    with tf.GradientTape() as tape:
        outputs = layer(**inputs)
        loss = tf.add_n([tf.reduce_sum(tf.square(t)) for t in tf.nest.flatten(outputs)])
    for weight, gradient in zip(
        layer.trainable_weights, tape.gradient(loss, layer.trainable_weights)
    ):
        assert gradient is not None, weight.name
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(values)), weight.name
        # The direction of a normalized filter of one number has no gradient, but for rounding.
        has_direction = weight.shape[:-1] != (1, 1)
        assert np.any(values) or not has_direction, weight.name
