"""Every public distribution: configuration, graphs, XLA, precision, gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import checks
from tests.conformance.inventory import DISTRIBUTIONS
from tfwavenet import distributions

pytestmark = pytest.mark.parametrize("name", DISTRIBUTIONS)


def example(distribution):
    """Parameters [5, 3, channels], uniforms [5, 3, noise_channels] and values [5, 3]."""
    generator = np.random.default_rng(0)
    params = generator.normal(size=(5, 3, distribution.channels)).astype(np.float32)
    uniforms = generator.uniform(0.01, 0.99, size=(5, 3, distribution.noise_channels))
    noise = tf.constant(uniforms, tf.float32)
    return tf.constant(params), noise, distribution.sample(params, noise)


@pytest.mark.parametrize("form", ["instance", "dictionary", "keras"])
def test_config_round_trips(name, form):
    distribution = DISTRIBUTIONS[name]()
    identifier = {
        "instance": distribution,
        "dictionary": {"class_name": name, "config": distribution.get_config()},
        "keras": checks.through_json(keras.saving.serialize_keras_object(distribution)),
    }[form]
    copy = distributions.get(identifier)
    assert type(copy) is type(distribution)
    assert copy.get_config() == distribution.get_config()


def test_class_name_gives_the_defaults(name):
    defaults = distributions.get(name)
    assert defaults.get_config() == type(defaults)().get_config()


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_equals_eager(name, jit_compile):
    distribution = DISTRIBUTIONS[name]()
    params, noise, value = example(distribution)
    sample = tf.function(distribution.sample, jit_compile=jit_compile)
    log_prob = tf.function(distribution.log_prob, jit_compile=jit_compile)
    checks.assert_close(sample(params, noise), value)
    checks.assert_close(
        log_prob(params, value), distribution.log_prob(params, value), "mixed_float16"
    )


def test_values_have_the_stated_dtype_and_shape(name):
    distribution = DISTRIBUTIONS[name]()
    params, _, value = example(distribution)
    assert value.dtype == distribution.value_dtype
    assert value.shape == params.shape[:-1]
    assert distribution.mode(params).dtype == distribution.value_dtype


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_half_precision_parameters_are_computed_in_float32(name, dtype):
    distribution = DISTRIBUTIONS[name]()
    params, _, value = example(distribution)
    half = tf.cast(params, dtype)
    log_prob = distribution.log_prob(half, value)
    assert log_prob.dtype == tf.float32
    checks.assert_same(log_prob, distribution.log_prob(tf.cast(half, tf.float32), value))


def test_every_parameter_has_a_finite_gradient(name):
    distribution = DISTRIBUTIONS[name]()
    params, _, value = example(distribution)
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = -tf.reduce_mean(distribution.log_prob(params, value))
    gradient = tape.gradient(loss, params).numpy()
    assert np.all(np.isfinite(gradient))
    assert np.all(np.any(gradient, axis=(0, 1)))
