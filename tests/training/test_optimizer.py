"""`tfwavenet.training.optimizer`: Adam's updates to the bit, and the norm of the gradients."""

from __future__ import annotations

import doctest
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.training import optimizer as optimizer_module
from tfwavenet.training.optimizer import MeasuredAdam


def gradients(step):
    generator = np.random.default_rng(step)
    return [generator.normal(size=shape).astype("f4") * 3 for shape in ((4, 2), (3,))]


@pytest.mark.parametrize("compiled", [False, True])
def test_updates_are_adams(compiled):
    options = {"learning_rate": 0.1, "global_clipnorm": 1.0}
    plain, measured = keras.optimizers.Adam(**options), MeasuredAdam(**options)
    one, other = ([tf.Variable(tf.ones([4, 2])), tf.Variable(tf.ones([3]))] for _ in range(2))
    plain.build(one)
    measured.build(other)
    first, second = (
        (lambda g, o=o, v=v: o.apply_gradients(zip(g, v)))
        for o, v in ((plain, one), (measured, other))
    )
    if compiled:
        first, second = tf.function(first), tf.function(second)
    norms = []
    for step in range(3):
        first(gradients(step))
        second(gradients(step))
        norms.append(math.sqrt(sum((g.astype("f8") ** 2).sum() for g in gradients(step))))
    for left, right in zip(one, other):
        np.testing.assert_array_equal(left, right)
    assert measured.take_mean_gradient_norm() == pytest.approx(np.mean(norms), rel=1e-6)
    assert math.isnan(measured.take_mean_gradient_norm())


def test_missing_gradients_are_left_out():
    optimizer = MeasuredAdam(0.1)
    used, unused = tf.Variable([0.0, 0.0]), tf.Variable(1.0)
    optimizer.build([used, unused])
    optimizer.apply_gradients([(tf.constant([3.0, 4.0]), used), (None, unused)])
    assert optimizer.take_mean_gradient_norm() == pytest.approx(5.0)


def test_loss_scaling_is_taken_out():
    inner = MeasuredAdam(0.1)
    outer = keras.mixed_precision.LossScaleOptimizer(inner)
    weight = tf.Variable([3.0, 4.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight**2) / 2
    outer.minimize(loss, [weight], tape=tape)
    assert inner.take_mean_gradient_norm() == pytest.approx(5.0)


def test_config_round_trips():
    optimizer = MeasuredAdam(0.1, beta_1=0.8, global_clipnorm=2.0)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is MeasuredAdam
    assert copy.get_config() == optimizer.get_config()


def test_examples_in_the_docstrings():
    assert doctest.testmod(optimizer_module, extraglobs={"tf": tf}).failed == 0
