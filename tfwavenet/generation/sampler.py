"""Draws values from predicted distributions."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.checks import whole_number
from tfwavenet.codecs import Codec


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Says how values are drawn: at which temperature, and among which codes.

    Args:
        temperature: float >= 0, scales the randomness; 0 takes the most likely value each time.
            Defaults to 1.
        top_k: int >= 1, draws among this many of the most likely codes. If None, among all codes.
        top_p: float in (0, 1], draws among the most likely codes that together have this
            probability. A value a little below 1 keeps rare outliers away, from which a network
            may not find back. Defaults to 1, all codes.

    Shapes: the three are one number each for a whole request, whatever its batch is.

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> Sampler(temperature=0.8, top_p=0.99)
        Sampler(temperature=0.8, top_k=None, top_p=0.99)

    Source: Holtzman et al., "The Curious Case of Neural Text Degeneration", arXiv:1904.09751,
    for `top_p`.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not _is_number(self.temperature) or not 0 <= self.temperature < math.inf:
            raise ValueError(
                f"Expected a temperature of 0 or more. Received: temperature={self.temperature!r}"
            )
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise ValueError(f"Expected `top_p` above 0, at most 1. Received: top_p={self.top_p!r}")
        if self.top_k is not None:
            whole_number("top_k", self.top_k, 1)

    def tensors(self, codec: Codec) -> dict[str, tf.Tensor]:
        """Returns the settings as scalar tensors, without what has no effect.

        Args:
            codec: the codec of the model that generates.

        Raises:
            ValueError: If `top_k` or `top_p` is set and the values are not codes.
        """
        found = {"temperature": tf.constant(self.temperature, tf.float32)}
        for name, value, neutral in (("top_k", self.top_k, None), ("top_p", self.top_p, 1.0)):
            if value != neutral and codec.num_codes is None:
                raise ValueError(
                    f"`{name}` is for networks that predict codes, such as mu-law's. "
                    f"Received: {name}={value} for one that does not"
                )
        if self.top_p < 1:
            found["top_p"] = tf.constant(self.top_p, tf.float32)
        if self.top_k is not None and self.top_k < (codec.num_codes or 0):
            found["top_k"] = tf.constant(self.top_k, tf.int32)
        return found


def draw(
    model: Any,
    params: tf.Tensor,
    standard: tf.Tensor,
    *,
    temperature: tf.Tensor,
    top_k: tf.Tensor | None = None,
    top_p: tf.Tensor | None = None,
) -> tf.Tensor:
    """Draws a value from each predicted distribution.

    Args:
        model: a model with a `codec` and a `distribution`.
        params: [batch, channels], the predicted parameters.
        standard: float32 [batch, noise_channels], from the distribution's `standard_noise`.
        temperature: float32 [].
        top_k: int32 [], or None for all codes.
        top_p: float32 [], or None for all codes.

    Returns:
        Values [batch].
    """
    params = model.codec.restrict(params)
    if top_k is not None:
        params = model.distribution.most_likely(params, top_k)
    if top_p is not None:
        params = tf.cond(
            top_p < 1,
            lambda: model.distribution.nucleus(params, top_p, temperature),
            lambda: tf.cast(params, tf.float32),
        )
    return model.distribution.draw(params, standard, temperature)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
