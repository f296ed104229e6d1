"""Checks the batches that Keras hands to the steps of training and testing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

# Rounding of resampling and filters may carry a sample a little beyond full scale.
_LARGEST_SAMPLE = 1.001


def weighted(model: Any, data: Any) -> dict[str, tf.Tensor]:
    """Returns the batch in what Keras hands to a step, with the weights of its rows if given.

    Args:
        model: an `AudioModel`.
        data: what `train_step` and `test_step` are given.

    Raises:
        ValueError: If the batch is no dictionary with audio, or the audio is of another kind.
        tf.errors.InvalidArgumentError: If samples lie outside of [-1, 1].
    """
    batch, _, weights = keras.utils.unpack_x_y_sample_weight(data)
    wanted = _keys(model)
    if not isinstance(batch, Mapping) or not set(wanted) <= set(batch):
        given = sorted(batch) if isinstance(batch, Mapping) else type(batch).__name__
        keys = ", ".join(f'"{name}" {shape}' for name, shape in wanted.items())
        raise ValueError(f"A batch of this model is a dictionary with {keys}. Received: {given}")
    audio = _checked_audio(model, tf.convert_to_tensor(batch["audio"]))
    found = {**batch, "audio": audio}
    return found if weights is None else {**found, "sample_weight": weights}


def _keys(model: Any) -> dict[str, str]:
    """Returns the keys that a batch must have, with the shapes of their values."""
    keys = {"audio": "[batch, samples]"}
    upsampler = model.upsampler
    if upsampler is not None:
        around = f" + {2 * upsampler.padding_frames}" * (upsampler.padding_frames > 0)
        keys["mel"] = f"[batch, samples / {upsampler.hop_samples}{around}, {model.local_channels}]"
    if model.speaker_channels:
        keys["speaker"] = "[batch]"
    return keys


def _checked_audio(model: Any, audio: tf.Tensor) -> tf.Tensor:
    """Returns the audio of a batch: samples in [-1, 1], or codes where the network takes codes."""
    codes, samples = model.codec.num_codes or 0, model.codec.signal_dtype.is_floating
    is_code = codes > 0 and audio.dtype in (tf.int32, tf.int64)
    is_sample = samples and audio.dtype.is_floating
    if not (is_code or is_sample) or audio.shape.rank not in (2, None):
        kinds = ["float in [-1, 1], full scale is 1"] * samples
        kinds += [f"int32 codes from 0 to {codes - 1}"] * (codes > 0)
        raise ValueError(
            f'Expected "audio" of shape [batch, samples], {", or ".join(kinds)}. '
            f"Received: {audio.dtype.name} of shape {tuple(audio.shape)}"
        )
    if is_code:
        audio = tf.cast(audio, tf.int32)
        extreme = tf.stack([tf.reduce_min(audio), tf.reduce_max(audio)])
        fits = (extreme[0] >= 0) & (extreme[1] < codes)
        sentence = f'Expected "audio" of codes from 0 to {codes - 1}. Received: codes between'
    else:
        audio = tf.cast(audio, tf.float32)
        extreme = tf.reduce_max(tf.abs(audio))
        fits = extreme <= _LARGEST_SAMPLE
        sentence = 'Expected "audio" in [-1, 1], full scale is 1. Received: a sample of magnitude'
    with tf.control_dependencies([tf.debugging.Assert(fits, [sentence, extreme])]):
        return tf.identity(audio)
