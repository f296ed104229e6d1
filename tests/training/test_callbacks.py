"""`tfwavenet.training.callbacks` in a stock `fit` of a plain Keras model."""

from __future__ import annotations

import math
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from tfwavenet.training import callbacks
from tfwavenet.training.checkpoints import Checkpoints
from tfwavenet.training.optimizer import MeasuredAdam


class Scripted(keras.Model):
    """A model whose loss at every step is read from a list."""

    def __init__(self, losses):
        super().__init__()
        self.losses_to_come = tf.constant(losses)
        self.weight = tf.Variable(1.0)
        self.mean = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, data):
        self.mean.update_state(self.losses_to_come[data])
        return {"loss": self.mean.result()}


def fit(losses, chosen, *, steps_per_epoch=3, initial_epoch=0):
    model = Scripted(losses)
    model.compile(keras.optimizers.SGD(0.5))
    first = initial_epoch * steps_per_epoch
    return model.fit(
        tf.data.Dataset.range(first, len(losses)),
        epochs=len(losses) // steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        initial_epoch=initial_epoch,
        callbacks=chosen,
        verbose=0,
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(  # the first, an inner and the last step of an epoch and of the run
    ("initial_epoch", "step"), [(0, 0), (0, 1), (0, 2), (0, 3), (0, 8), (1, 3), (1, 4), (1, 8)]
)
def test_stops_at_the_step_whose_loss_is_not_finite(tmp_path, value, step, initial_epoch):
    losses = [1.0] * 9
    losses[step] = value
    saver = Checkpoints(tmp_path, weight=tf.Variable(0.0))
    chosen = [
        callbacks.StopOnNonFinite(3, lambda number: f"Batch {number}."),
        callbacks.SaveCheckpoint(saver, 3),
    ]
    with pytest.raises(callbacks.NonFiniteLossError, match=rf"at step {step}\. Batch {step}\."):
        fit(losses, chosen, initial_epoch=initial_epoch)
    assert saver.steps() == [done for done in (3, 6) if 3 * initial_epoch < done <= step]


def test_finite_losses_pass(tmp_path):
    saver = Checkpoints(tmp_path, weight=tf.Variable(0.0))
    fit([1e30] * 6, [callbacks.StopOnNonFinite(3, str), callbacks.SaveCheckpoint(saver, 3)])
    assert saver.steps() == [3, 6]


def test_measures_rates_without_the_step_that_compiles():
    class Slow(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            first = self.params["steps"] and not hasattr(self, "seen")
            self.seen = True
            time.sleep(0.5 if first else 0.02)

    history = fit([1.0] * 8, [Slow(), callbacks.Measurements(10)], steps_per_epoch=4).history
    assert history["learning_rate"] == [0.5, 0.5]
    for steps, samples in zip(history["steps_per_second"], history["samples_per_second"]):
        assert 4 < steps < 50  # 0.02 s a step and some overhead; 4 steps in 0.56 s would be 7
        assert samples == pytest.approx(10 * steps)
    assert history["steps_per_second"][0] > 8


def test_one_step_in_all_has_no_rate():
    history = fit([1.0], [callbacks.Measurements(10)], steps_per_epoch=1).history
    assert set(history) == {"loss", "learning_rate"}


def test_the_rate_and_the_gradient_of_the_epoch_are_reported():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1], [1.0, 0.5, 0.25])
    model = keras.Sequential(
        [keras.Input([1]), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(MeasuredAdam(schedule), "mse")
    data = tf.data.Dataset.from_tensors((tf.ones([1, 1]), tf.zeros([1, 1]))).repeat(2)
    history = model.fit(data, callbacks=[callbacks.Measurements(1)], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [0.5])
    np.testing.assert_allclose(history["gradient_norm"], [1.0], rtol=1e-5)  # 2 and then 2 * 0


def test_shows_one_line_per_epoch(caplog, capsys):
    logging.set_verbosity(logging.INFO)
    with caplog.at_level("INFO", logger="absl"):
        fit([1.5] * 6, [callbacks.Measurements(1), callbacks.EpochProgress(2, 3)])
    lines = [record.getMessage() for record in caplog.records if "epoch" in record.getMessage()]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: loss 1.5, steps/s ")
    assert lines[1].startswith("epoch 2/2: ")
    assert lines[1].endswith("0:00:00 left")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.6, "0:01:00"), (3661, "1:01:01"), (360000, "100:00:00")],
)
def test_durations(seconds, text):
    assert callbacks._duration(seconds) == text
