"""Every public learning-rate schedule: configuration, optimizers, graphs, XLA."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import checks
from tests.conformance.inventory import SCHEDULES
from tfwavenet.training import schedules

pytestmark = pytest.mark.parametrize("name", SCHEDULES)
STEPS = np.arange(60)


def rates(schedule):
    return np.array([float(schedule(tf.constant(step, tf.int64))) for step in STEPS])


@pytest.mark.parametrize("form", ["dictionary", "keras"])
def test_config_round_trips(name, form):
    schedule = SCHEDULES[name]()
    config = checks.through_json(schedule.get_config())
    if form == "dictionary":
        copy = schedules.get({"class_name": name, "config": config})
    else:
        optimizer = keras.optimizers.Adam(schedule)
        optimizer = keras.optimizers.Adam.from_config(optimizer.get_config())
        copy = optimizer._learning_rate
    assert type(copy) is type(schedule)
    np.testing.assert_array_equal(rates(copy), rates(schedule))


def test_rates_are_finite_positive_scalars(name):
    schedule = SCHEDULES[name]()
    assert schedule(tf.constant(3, tf.int64)).dtype == tf.float32
    assert schedule(tf.constant(3, tf.int64)).shape == []
    assert np.all(rates(schedule) > 0)
    assert rates(schedule).max() <= 0.1 + 1e-7


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_compiled_equals_eager(name, jit_compile):
    schedule = SCHEDULES[name]()
    compiled = tf.function(schedule, jit_compile=jit_compile)
    actual = [float(compiled(tf.constant(step, tf.int64))) for step in STEPS]
    np.testing.assert_allclose(actual, rates(schedule), rtol=1e-6)
