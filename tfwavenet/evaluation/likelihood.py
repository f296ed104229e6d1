"""How well a model predicts held-out recordings: the exact negative log-likelihood."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tfwavenet.evaluation import clips, statistics
from tfwavenet.evaluation.clips import Clip


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """Negative log-likelihood of a set of recordings.

    Attributes:
        nats: sum of each recording.
        samples: number of samples of each recording.
        discrete: whether it is that of a discrete distribution. A density's may be negative, and
            has no meaning in bits.
    """

    nats: tuple[float, ...]
    samples: tuple[int, ...]
    discrete: bool

    @property
    def nats_per_sample(self) -> float:
        """Mean over all samples of all recordings."""
        return math.fsum(self.nats) / sum(self.samples)

    @property
    def bits_per_sample(self) -> Optional[float]:
        """The same in bits; None for a density."""
        return self.nats_per_sample / math.log(2) if self.discrete else None

    @property
    def ci95_nats(self) -> Optional[float]:
        """Half of the 95 % confidence interval of the mean, over recordings; None for one."""
        return statistics.ratio_ci95(self.nats, self.samples)


def held_out_likelihood(model: Any, recordings: Iterable[Clip]) -> Likelihood:
    """Likelihood of whole recordings, each sample given all that precede it.

    Every recording is one parallel pass of the network, of batch 1 and without padding, so that
    the result is exact and no sample is left out.

    Args:
        model: an `AutoregressiveModel`.
        recordings: at least one, with mel and speaker as the model takes them.

    Raises:
        ValueError: if there is none, or one gives a likelihood that is not finite; named.
    """
    program = _program(model)
    nats, samples = [], []
    for clip in recordings:
        nll = program(batch_of(model, clip)).numpy().astype(np.float64)
        if not np.isfinite(nll).all():
            raise ValueError(
                "The negative log-likelihood of every sample must be finite. "
                f"Received: utterance={clip.name!r}"
            )
        nats.append(math.fsum(nll.ravel()))
        samples.append(nll.size)
    if not samples:
        raise ValueError("At least one recording is expected. Received: utterances=[]")
    return Likelihood(tuple(nats), tuple(samples), bool(model.distribution.discrete))


def batch_of(model: Any, clip: Clip) -> dict[str, tf.Tensor]:
    """The recording as a batch of one for the model, with the mel frames that it pads with.

    Args:
        model: says with its `upsampler` and `speaker_channels` what it takes.
        clip: the recording.

    Raises:
        ValueError: if the recording has no mel, or no speaker, that the model needs.
    """
    batch = {"audio": tf.constant(clip.signal[np.newaxis], tf.float32)}
    if model.upsampler is not None:
        padding = model.upsampler.padding_frames
        mel = np.pad(clips.mel_of(clip), ((padding, padding), (0, 0)), mode="edge")
        batch["mel"] = tf.constant(mel[np.newaxis], tf.float32)
    if model.speaker_channels:
        batch["speaker"] = tf.constant([clips.speaker_of(clip)], tf.int32)
    return batch


def _program(model: Any) -> Any:
    """`model.nll` as one graph for all lengths."""
    signature: dict[str, tf.TensorSpec] = {"audio": tf.TensorSpec([1, None], tf.float32)}
    if model.upsampler is not None:
        signature["mel"] = tf.TensorSpec([1, None, model.local_channels], tf.float32)
    if model.speaker_channels:
        signature["speaker"] = tf.TensorSpec([1], tf.int32)
    return tf.function(model.nll, input_signature=[signature])
