"""Declares the members of a model that generation uses; the classes of `models` document them."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from tfwavenet.codecs import Codec
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.distributions import Distribution


class GenerativeModel(Protocol):
    """A model with conditions, whatever it predicts.

    Shapes: features are [batch, frames, local_channels], at the sample rate [batch, samples,
        channels]; speaker vectors [batch, speaker_channels].
    """

    upsampler: Any  # an `Upsampler`, or None
    recipe: Any
    codec: Codec
    network: Any
    local_channels: Any  # int; None without features
    num_speakers: int | None
    speaker_channels: int | None

    def local_features(self, mel: Any, mask: Any = None) -> Any:
        """Features of a window at the sample rate, or None."""

    def speaker_vectors(self, speaker: Any) -> tf.Tensor | None:
        """Vectors of speakers, [batch, channels] or None."""


class ChunkModel(GenerativeModel, Protocol):
    """A model that generates chunk after chunk with carried state.

    Shapes: the state is a nest of [batch, ...], a chunk is values [batch, samples].
    """

    # Whether a chunk is computed in parallel rather than step by step.
    computes_in_parallel: bool

    def initial_state(self, batch_size: int | tf.Tensor) -> Any:
        """State of the network before the first sample."""

    def merged_state(self, rows: tf.Tensor, state: Any, other: Any) -> Any:
        """Rows of one state where `rows` is True, of the other elsewhere."""

    def advance(self, state: Any, window: dict[str, tf.Tensor], **given: Any) -> Any:
        """A chunk of samples, and the state behind them."""


class StepModel(ChunkModel, Protocol):
    """A model whose network computes one sample after the other.

    Shapes: values are [batch, samples], in a step [batch].
    """

    distribution: Distribution
    receptive_field: int

    def previous_values(self, values: tf.Tensor) -> tf.Tensor:
        """Values delayed by one sample."""


class NoisePredictor(GenerativeModel, Protocol):
    """A diffusion model.

    Shapes: signals and noise are [batch, samples].
    """

    schedule: NoiseSchedule
    signal_limit: float

    def signal_level(self, mel: Any) -> tf.Tensor:
        """Factor of generated signals, [batch, samples] or []."""

    def conditioning(self, mel: Any, mask: Any, speaker: Any) -> Any:
        """Conditioning of each block for a window."""
