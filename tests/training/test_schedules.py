"""`tfwavenet.training.schedules` against plain Python formulas."""

from __future__ import annotations

import doctest
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.training import schedules

# Boundaries of every schedule below: the ends of warm-up and decay, and their neighbours.
STEPS = [0, 1, 9, 10, 11, 99, 100, 101, 199, 200, 201, 1000, 10**6]


def exponential(step):
    return max(1e-5, 2e-3 * 0.5 ** (step / 100))


def staircase(step):
    return max(0.0, 1e-3 * 0.5 ** (step // 100))


def noam(step):
    """As r9y9/wavenet_vocoder writes it (lrschedule.py)."""
    return 1e-3 * 10**0.5 * min((step + 1) * 10**-1.5, (step + 1) ** -0.5)


def cosine(step):
    if step < 10:
        return 1e-3 * (step + 1) / 10
    progress = min((step - 10) / 190, 1.0)
    return 1e-4 + 9e-4 * (1 + math.cos(math.pi * progress)) / 2


def cosine_without_warmup(step):
    return 1e-3 * (1 + math.cos(math.pi * min(step / 200, 1.0))) / 2


CASES = {
    "exponential": (
        schedules.FlooredExponentialDecay(2e-3, decay_steps=100, decay_rate=0.5, floor=1e-5),
        exponential,
    ),
    "staircase": (schedules.FlooredExponentialDecay(decay_steps=100, staircase=True), staircase),
    "noam": (schedules.Noam(1e-3, warmup_steps=10), noam),
    "cosine": (
        schedules.CosineWithWarmup(1e-3, total_steps=200, warmup_steps=10, floor=1e-4),
        cosine,
    ),
    "cosine_without_warmup": (
        schedules.CosineWithWarmup(total_steps=200),
        cosine_without_warmup,
    ),
}
each_case = pytest.mark.parametrize(("schedule", "oracle"), CASES.values(), ids=CASES)


@each_case
def test_equals_the_formula(schedule, oracle):
    got = [float(schedule(tf.constant(step, tf.int64))) for step in STEPS]
    np.testing.assert_allclose(got, [oracle(step) for step in STEPS], rtol=1e-5, atol=1e-10)


@each_case
def test_compiled_equals_eager(schedule, oracle):
    compiled = tf.function(schedule, jit_compile=True)
    for step in (0, 50, 300):
        assert float(compiled(tf.constant(step))) == pytest.approx(oracle(step), rel=1e-5, abs=1e-9)


@each_case
def test_config_round_trips(schedule, oracle):
    config = schedule.get_config()
    copies = [
        type(schedule).from_config(config),
        schedules.get({"class_name": type(schedule).__name__, "config": config}),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule)),
    ]
    for copy in copies:
        assert type(copy) is type(schedule)
        assert copy.get_config() == config


@each_case
def test_drives_an_optimizer(schedule, oracle):
    optimizer = keras.optimizers.SGD(schedule)
    weight = tf.Variable(0.0)
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant(1.0), weight)])
    assert -float(weight) == pytest.approx(sum(oracle(step) for step in range(3)), rel=1e-5)


KERAS = {
    "CosineDecay": {"initial_learning_rate": 1e-4, "decay_steps": 50, "warmup_target": 1e-3},
    "ExponentialDecay": {"initial_learning_rate": 1e-3, "decay_steps": 50, "decay_rate": 0.5},
    "PiecewiseConstantDecay": {"boundaries": [10, 20], "values": [1e-3, 1e-4, 1e-5]},
    "PolynomialDecay": {"initial_learning_rate": 1e-3, "decay_steps": 50},
}


@pytest.mark.parametrize(("name", "config"), KERAS.items())
def test_get_takes_the_names_of_keras(name, config):
    schedule = schedules.get({"class_name": name, "config": config})
    expected = getattr(keras.optimizers.schedules, name)(**config)
    assert type(schedule) is type(expected)
    assert [float(schedule(step)) for step in STEPS] == [float(expected(step)) for step in STEPS]


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("LearningRateSchedule", {}, "is unknown"),
        ("ExponentialDecay", {"initial_learning_rate": 1e-3}, r"lacks .*'decay_steps'"),
        ("ExponentialDecay", {"initial": 1e-3}, "no argument 'initial'"),
        ("CosineDecay", {"initial_learning_rate": 1e-3, "decay_steps": "a"}, "CosineDecay must"),
        ("PiecewiseConstantDecay", {"boundaries": [1], "values": [1.0]}, "[Bb]oundaries"),
    ],
)
def test_get_rejects_what_keras_cannot_take(name, config, message):
    with pytest.raises(ValueError, match=message):
        schedules.get({"class_name": name, "config": config})


def test_without_a_floor_the_exponential_decay_is_that_of_keras():
    ours = schedules.FlooredExponentialDecay(2e-3, decay_steps=100, decay_rate=0.5)
    of_keras = keras.optimizers.schedules.ExponentialDecay(2e-3, 100, 0.5)
    assert [float(ours(step)) for step in STEPS] == [float(of_keras(step)) for step in STEPS]


def test_get_passes_constants_and_schedules():
    assert schedules.get(1e-4) == 1e-4
    schedule = schedules.Noam()
    assert schedules.get(schedule) is schedule


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        (0.0, r"must be above 0\. Received: rate=0\.0"),
        ("Noam", r"learning_rate must be a number.*Received: learning_rate='Noam'"),
        (True, r"learning_rate must be a number"),
        ({"class_name": "Noan"}, r"'Noan' is unknown \(did you mean 'Noam'\?\)"),
        ({"class_name": "Noam", "warmup_steps": 5}, r"the keys 'class_name' and 'config'"),
        (
            {"class_name": "Noam", "config": {"warmup": 5}},
            r"Noam has no argument 'warmup' \(did you mean 'warmup_steps'\?\)",
        ),
        ({"class_name": "CosineWithWarmup"}, r"CosineWithWarmup lacks the arguments.*total_steps"),
    ],
)
def test_get_rejects(identifier, message):
    with pytest.raises(ValueError, match=message):
        schedules.get(identifier)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("FlooredExponentialDecay", {"initial": 0.0}),
        ("FlooredExponentialDecay", {"decay_steps": 0}),
        ("FlooredExponentialDecay", {"decay_rate": 1.5}),
        ("FlooredExponentialDecay", {"floor": 1.0}),
        ("Noam", {"peak": -1.0}),
        ("Noam", {"warmup_steps": 0}),
        ("CosineWithWarmup", {"peak": 0.0, "total_steps": 5}),
        ("CosineWithWarmup", {"warmup_steps": -1, "total_steps": 5}),
        ("CosineWithWarmup", {"total_steps": 5, "warmup_steps": 5}),
        ("CosineWithWarmup", {"floor": 1.0, "total_steps": 5}),
    ],
)
def test_constructors_reject(name, config):
    key, value = next(iter(config.items()))
    with pytest.raises(ValueError, match=rf"{key} must .*Received: {key}={value}"):
        schedules.get({"class_name": name, "config": config})


def test_examples_in_the_docstrings():
    results = doctest.testmod(schedules)
    assert results.attempted >= 4
    assert results.failed == 0
