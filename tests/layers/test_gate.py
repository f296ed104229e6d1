"""The gated activation, its gradient, and its compilation into one kernel."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers.fusion import fused_elementwise
from tfwavenet.layers.gate import gate


def noise(*shape, seed=0, dtype=tf.float32):
    return tf.cast(rng.normal(shape, rng.make_seed(seed)), dtype)


def plain_gate(*terms):
    filtered, opening = tf.split(sum(terms), 2, axis=-1)
    return tf.tanh(filtered) * tf.sigmoid(opening)


def value_and_gradients(function, terms, upstream):
    with tf.GradientTape() as tape:
        tape.watch(terms)
        value = function(*terms)
    return [value, *tape.gradient(value, terms, output_gradients=upstream)]


@tf.function
def of_gate(terms, upstream, is_fused):
    with fused_elementwise() if is_fused else contextlib.nullcontext():
        return value_and_gradients(gate, terms, upstream)


TERMS = [
    ([2, 7, 6],),
    ([2, 6],),
    ([2, 7, 6], [2, 7, 6]),
    ([2, 7, 6], [2, 1, 6]),
    ([2, 7, 6], [2, 7, 6], [2, 1, 6]),
]


@pytest.mark.parametrize("shapes", TERMS)
@pytest.mark.parametrize("is_fused", [False, True])
def test_value_and_gradients_are_those_that_tensorflow_derives(is_fused, shapes):
    terms = [noise(*shape, seed=index) for index, shape in enumerate(shapes)]
    upstream = noise(*shapes[0][:-1], 3, seed=9)

    actual = of_gate(terms, upstream, is_fused)
    for one, other in zip(actual, value_and_gradients(plain_gate, terms, upstream)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_fused", [False, True])
def test_half_precision_loses_no_more_than_its_rounding(is_fused):
    terms = [noise(2, 50, 64, seed=index, dtype=tf.bfloat16) for index in range(2)]
    upstream = noise(2, 50, 32, seed=9, dtype=tf.bfloat16)
    exact = [tf.cast(tensor, tf.float32) for tensor in (*terms, upstream)]
    expected = value_and_gradients(plain_gate, exact[:-1], exact[-1])

    for one, other in zip(of_gate(terms, upstream, is_fused), expected):
        assert one.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, rtol=0.05, atol=0.02)


def operations(function, *arguments):
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return graph.get_operations()


def compiled_calls(found):
    names = {attribute for operation in found for attribute in operation.node_def.attr}
    return [name for name in names if name == "_XlaMustCompile"]


def test_only_what_is_traced_inside_is_compiled():
    def fused(z):
        with fused_elementwise():
            return gate(z)

    z = noise(2, 7, 6)
    assert compiled_calls(operations(fused, z))
    assert not any(op.type in ("Tanh", "Sigmoid") for op in operations(fused, z))
    assert not compiled_calls(operations(gate, z))
    assert any(op.type == "Tanh" for op in operations(gate, z))


def test_the_permission_ends_with_its_block():
    def interrupted(z):
        try:
            with fused_elementwise():
                raise KeyError
        except KeyError:
            return gate(z)

    assert not compiled_calls(operations(interrupted, noise(2, 7, 6)))
