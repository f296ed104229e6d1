"""Defines the Keras callbacks of a training run; each works with any `model.fit`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Optional

import keras
import tensorflow as tf
from absl import logging
from tqdm import auto as tqdm

from tfwavenet import keras_versions
from tfwavenet.training.checkpoints import Checkpoints
from tfwavenet.training.optimizer import MeasuredAdam

Logs = Optional[dict[str, Any]]

# The bar asks for the loss, and so waits for the step, at most this often.
_REFRESH_SECONDS = 1.0
_BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"


class NonFiniteLossError(ValueError):
    """Reports a loss or a weight that is NaN or infinite; the message names step and batch."""


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops training with an error when the loss or a trainable weight is no longer finite.

    The loss of a step is checked one step later, when it is known without waiting. The last loss
    and the weights of an epoch are checked before the epoch ends. A checkpoint written after this
    callback therefore holds finite weights from finite losses only.

    Args:
        steps_per_epoch: int >= 1, number of steps in an epoch.
        describe: takes the number of the step, from 0, and returns a sentence about its batch.

    Raises:
        NonFiniteLossError: From `fit`.
    """

    def __init__(self, steps_per_epoch: int, describe: Callable[[int], str]) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._steps_per_epoch = steps_per_epoch
        self._describe = describe
        self._first_step = self._last_step = 0
        self._pending: Optional[tuple[int, Any]] = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remembers the number of the epoch's first step."""
        self._first_step = epoch * self._steps_per_epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Checks the loss of the step before."""
        self._check_loss()
        self._last_step = self._first_step + batch
        self._pending = (self._last_step, (logs or {}).get("loss"))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Checks the last loss and the weights."""
        self._check_loss()
        self._check_weights()

    def _check_loss(self) -> None:
        (step, loss), self._pending = self._pending or (0, None), None
        if loss is not None and not math.isfinite(float(loss)):
            raise NonFiniteLossError(
                f"The loss must be finite, and is not at step {step}. {self._describe(step)} "
                f"Received: loss={float(loss)}"
            )

    def _check_weights(self) -> None:
        step = self._last_step
        for weight in self.model.trainable_variables:
            if not bool(tf.reduce_all(tf.math.is_finite(weight))):
                raise NonFiniteLossError(
                    f"The weights must be finite, and are not after step {step}, the last of its "
                    f"epoch. {self._describe(step)} Received: weight={weight.name!r}"
                )


class Measurements(keras.callbacks.Callback):
    """Adds `learning_rate`, `steps_per_second` and `samples_per_second` to the logs of an epoch.

    A `MeasuredAdam` also gives `gradient_norm`, the mean over the epoch before clipping. The rates
    leave out the first step of the process, which compiles, if the epoch has further steps.

    Args:
        samples_per_step: number of audio samples in a batch.
    """

    def __init__(self, samples_per_step: int) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._samples_per_step = samples_per_step
        self._compiled = False
        self._start = self._end = 0.0
        self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Starts the clock."""
        self._start, self._steps = time.perf_counter(), 0

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Counts the step."""
        self._end = time.perf_counter()
        self._steps += 1
        if not self._compiled:
            self._compiled, self._start, self._steps = True, self._end, 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the measurements to the logs."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        rate = self._steps / max(self._end - self._start, 1e-9)
        measured = {"learning_rate": keras_versions.last_learning_rate(optimizer)}
        if isinstance(optimizer, MeasuredAdam):
            measured["gradient_norm"] = optimizer.take_mean_gradient_norm()
        if self._steps:
            measured["steps_per_second"] = rate
            measured["samples_per_second"] = rate * self._samples_per_step
        if logs is not None:
            logs.update(measured)


class SaveCheckpoint(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch.

    Args:
        checkpoints: the checkpoints of the run.
        steps_per_epoch: int >= 1.
    """

    def __init__(self, checkpoints: Checkpoints, steps_per_epoch: int) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._checkpoints = checkpoints
        self._steps_per_epoch = steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes the checkpoint."""
        self._checkpoints.save((epoch + 1) * self._steps_per_epoch)


class EpochProgress(keras.callbacks.Callback):
    """Shows one line per epoch: a bar on a terminal, a line of the log elsewhere.

    Args:
        epochs: number of the last epoch of the run.
        steps_per_epoch: int >= 1.
    """

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._bar: Any = None
        self._first_epoch: Optional[int] = None
        self._start = self._refreshed = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Opens the bar."""
        if self._first_epoch is None:
            self._first_epoch, self._start = epoch, time.perf_counter()
        self._bar = tqdm.tqdm(
            total=self._steps_per_epoch,
            desc=f"epoch {epoch + 1}/{self._epochs}",
            bar_format=_BAR,
            disable=None,
        )

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Moves the bar, and shows the loss about once a second."""
        now = time.perf_counter()
        if not self._bar.disable and now - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = now
            self._bar.set_postfix_str(_line({"loss": (logs or {}).get("loss", math.nan)}), False)
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Shows the line of the epoch."""
        line = f"{_line(logs or {})}, {_duration(self._remaining_seconds(epoch))} left"
        if self._bar.disable:
            logging.info("epoch %d/%d: %s", epoch + 1, self._epochs, line)
        self._bar.set_postfix_str(line, refresh=True)
        self._bar.close()

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()

    def _remaining_seconds(self, epoch: int) -> float:
        """Returns the time left, extrapolated from all epochs of this process."""
        done = epoch + 1 - (self._first_epoch or 0)
        return (time.perf_counter() - self._start) / done * (self._epochs - epoch - 1)


def _line(logs: dict[str, Any]) -> str:
    """Returns the most important figures in one line."""
    names = {
        "loss": "loss",
        "bits_per_sample": "bits",
        "val_loss": "val_loss",
        "val_bits_per_sample": "val_bits",
        "steps_per_second": "steps/s",
    }
    return ", ".join(
        f"{short} {float(logs[name]):.4g}" for name, short in names.items() if name in logs
    )


def _duration(seconds: float) -> str:
    """Returns a duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
