"""Base class of the conditioning upsamplers, and functions that they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class Upsampler(keras.layers.Layer):
    """Upsamples conditioning frames to the sample rate; base class of all such layers.

    Frames are upsampled in stages. The product of the stages' `scales` is `hop_samples`, the number
    of samples per frame.

    A window of a longer sequence can be upsampled alone, with exactly the samples of the whole
    sequence. The window then needs `left_context_frames` and `right_context_frames` more frames,
    whose samples are cut off: see `upsample_window`.

    Args:
        scales: sequence of int > 0, upsampling factor of each stage. The sequence is empty for
            features at the sample rate.

    Call arguments:
        inputs: float [batch, frames + 2 * padding_frames, channels].
        mask: bool [batch, frames], False for frames outside of the sequence. Such frames act like
            the region beyond the ends of a sequence. If None, all frames belong to the sequence.

    Returns:
        [batch, frames * hop_samples, output channels] of the compute dtype.

    Raises:
        ValueError: If a scale is not positive.
    """

    # Number of input frames at each end for which the layer has no output.
    padding_frames: int = 0

    def __init__(self, scales: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if any(scale < 1 for scale in scales):
            raise ValueError(f"`scales` must be positive integers. Received: scales={scales}")
        self.scales = tuple(int(scale) for scale in scales)

    @property
    def hop_samples(self) -> int:
        """Number of samples per conditioning frame."""
        return math.prod(self.scales)

    @property
    def left_context_frames(self) -> int:
        """Number of earlier frames that a frame's samples depend on, beyond `padding_frames`."""
        return 0

    @property
    def right_context_frames(self) -> int:
        """Number of later frames that a frame's samples depend on, beyond `padding_frames`."""
        return 0

    def upsample_window(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Upsamples a window of a longer sequence to exactly the samples of the whole sequence.

        Args:
            inputs: float [batch, left + frames + right + 2 * padding_frames, channels], where left
                and right are the numbers of context frames.
            mask: bool [batch, left + frames + right], False beyond the ends of the sequence. If
                None, all frames belong to the sequence.

        Returns:
            [batch, frames * hop_samples, output channels].
        """
        outputs = self(inputs, mask=mask)
        start = self.left_context_frames * self.hop_samples
        stop = tf.shape(outputs)[1] - self.right_context_frames * self.hop_samples
        return outputs[:, start:stop]

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Returns None: the mask concerns this layer alone, and Keras passes none on."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "scales": self.scales}


def get(identifier: Any) -> Upsampler | None:
    """Returns the upsampler of an identifier.

    Args:
        identifier: an upsampler, None, or a mapping with the keys "class_name" and "config".

    Returns:
        The upsampler. If `identifier` is None, the result is None.

    Raises:
        ValueError: If `identifier` is something else, the class is not an upsampler, or its
            arguments are not valid.
    """
    if identifier is None or isinstance(identifier, Upsampler):
        return identifier
    if not isinstance(identifier, Mapping) or set(identifier) != {"class_name", "config"}:
        raise ValueError(
            "Expected an upsampler, None, or a mapping with the keys 'class_name' and 'config'. "
            f"Received: {identifier!r}"
        )
    class_name = str(identifier["class_name"]).split(">")[-1]
    known = {cls.__name__: cls for cls in Upsampler.__subclasses__()}
    if class_name not in known:
        raise ValueError(f"Expected an upsampler of {sorted(known)}. Received: {class_name!r}")
    try:
        # Not by `from_config`: Keras would extend every error message to a page.
        return known[class_name](**identifier["config"])
    except TypeError as error:
        raise ValueError(f"Expected arguments of {class_name}. Received: {error}") from error


def serialize(upsampler: Upsampler | None) -> dict[str, Any] | None:
    """Returns the mapping from which `get` creates an equal upsampler; None if there is none."""
    if upsampler is None:
        return None
    config = upsampler.get_config()
    for name in ("name", "dtype", "trainable"):  # those of the model's own
        config.pop(name, None)
    return {"class_name": type(upsampler).__name__, "config": config}


def context_of(scales: Sequence[int]) -> int:
    """Computes the context frames on each side if each stage reads one input frame per side."""
    reach, rate = 0.0, 1
    for scale in scales:
        reach += 1 / rate
        rate *= scale
    return math.ceil(reach)


def masked(image: tf.Tensor, mask: tf.Tensor | None, rate: int) -> tf.Tensor:
    """Sets the frames of an image outside of a sequence to zero.

    Args:
        image: [batch, frames * rate, ...].
        mask: bool [batch, frames]. If None, the image is returned unchanged.
        rate: int > 0, rows of the image per frame.

    Returns:
        The image, of the same shape and dtype.
    """
    if mask is None:
        return image
    keep = tf.cast(tf.repeat(mask, rate, axis=1), image.dtype)
    return image * tf.reshape(keep, tf.concat([tf.shape(keep), [1] * (image.shape.rank - 2)], 0))
