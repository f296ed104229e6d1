"""What the conditioning upsamplers have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


class Upsampler(tf.keras.layers.Layer):
    """Base of the layers that bring conditioning frames to the sample rate.

    Frames are upsampled in stages; the product of their `scales` is `hop_samples`, the samples per
    frame. A window of a longer sequence gives exactly the samples that the whole sequence gives
    there, if it is called with `left_context_frames` and `right_context_frames` further frames,
    which are then cut off: see `upsample_window`.

    Args:
        scales: upsampling factor of each stage, positive; none for features at the sample rate.

    Call arguments:
        inputs: [batch, frames + 2 * padding_frames, channels].
        mask: optional bool [batch, frames], False for frames that are not part of the sequence:
            they act as the nothing that lies beyond its ends.

    Returns:
        [batch, frames * hop_samples, output channels].

    Raises:
        ValueError: if a scale is not positive.
    """

    # Frames that the layer takes at each end beyond those it has output for.
    padding_frames: int = 0

    def __init__(self, scales: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if any(scale < 1 for scale in scales):
            raise ValueError(f"`scales` must be positive integers. Received: scales={scales}")
        self.scales = tuple(int(scale) for scale in scales)

    @property
    def hop_samples(self) -> int:
        """Samples per conditioning frame."""
        return math.prod(self.scales)

    @property
    def left_context_frames(self) -> int:
        """Earlier frames that the samples of a frame depend on, beyond `padding_frames`."""
        return 0

    @property
    def right_context_frames(self) -> int:
        """Later frames that the samples of a frame depend on, beyond `padding_frames`."""
        return 0

    def upsample_window(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Upsamples a window of a longer sequence, exactly as the whole sequence would be.

        Args:
            inputs: [batch, left + frames + right + 2 * padding_frames, channels], where left and
                right are the context frames.
            mask: bool [batch, left + frames + right], False beyond the ends of the sequence.

        Returns:
            [batch, frames * hop_samples, output channels].
        """
        outputs = self(inputs, mask=mask)
        start = self.left_context_frames * self.hop_samples
        stop = tf.shape(outputs)[1] - self.right_context_frames * self.hop_samples
        return outputs[:, start:stop]

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments."""
        return {**super().get_config(), "scales": self.scales}


def get(identifier: Any) -> Upsampler | None:
    """The upsampler that is meant: None, a layer, or its `{"class_name", "config"}`.

    Raises:
        ValueError: if the class is not an upsampler, or its arguments are not valid.
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
        # Not by `from_config`, of which Keras makes a page of every error.
        return known[class_name](**identifier["config"])
    except TypeError as error:
        raise ValueError(f"Expected arguments of {class_name}. Received: {error}") from error


def serialize(upsampler: Upsampler | None) -> dict[str, Any] | None:
    """What `get` makes an equal upsampler of, built or not."""
    if upsampler is None:
        return None
    return {"class_name": type(upsampler).__name__, "config": upsampler.get_config()}


def context_of(scales: Sequence[int]) -> int:
    """Frames of context when each stage looks one of its own input frames to each side."""
    reach, rate = 0.0, 1
    for scale in scales:
        reach += 1 / rate
        rate *= scale
    return math.ceil(reach)


def masked(image: tf.Tensor, mask: tf.Tensor | None, rate: int) -> tf.Tensor:
    """Zeroes `image` [batch, frames * rate, ...] where `mask` bool [batch, frames] is False."""
    if mask is None:
        return image
    keep = tf.cast(tf.repeat(mask, rate, axis=1), image.dtype)
    return image * tf.reshape(keep, tf.concat([tf.shape(keep), [1] * (image.shape.rank - 2)], 0))
