"""How well a model predicts held-out recordings: its loss, without crops or padding."""

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
class HeldOutLoss:
    """The loss of a set of recordings.

    Attributes:
        totals: sum over the samples of each recording.
        samples: number of samples of each recording.
        name: what the loss is.
        unit: of the loss of a sample.
        discrete: whether it is the negative log-likelihood of a discrete distribution. A
            density's may be negative, and has no meaning in bits.
    """

    totals: tuple[float, ...]
    samples: tuple[int, ...]
    name: str
    unit: str
    discrete: bool = False

    @property
    def per_sample(self) -> float:
        """Mean over all samples of all recordings."""
        return math.fsum(self.totals) / sum(self.samples)

    @property
    def bits_per_sample(self) -> Optional[float]:
        """The same in bits; None if it is not that of a discrete distribution."""
        return self.per_sample / math.log(2) if self.discrete else None

    @property
    def ci95(self) -> Optional[float]:
        """Half of the 95 % confidence interval of the mean, over recordings; None for one."""
        return statistics.ratio_ci95(self.totals, self.samples)


def held_out_loss(model: Any, recordings: Iterable[Clip]) -> HeldOutLoss:
    """Loss of whole recordings; for an autoregressive model their exact likelihood.

    Every recording is one parallel pass of the network, of batch 1 and without padding, so that
    the result is exact and no sample is left out.

    Args:
        model: an `AudioModel`.
        recordings: at least one, with mel and speaker as the model takes them.

    Raises:
        ValueError: if there is none, or the loss of one is not finite; named.
    """
    program = _program(model)
    totals, samples = [], []
    for clip in recordings:
        losses = program(batch_of(model, clip)).numpy().astype(np.float64)
        if not np.isfinite(losses).all():
            raise ValueError(
                f"The {model.loss_name} of every sample must be finite. "
                f"Received: utterance={clip.name!r}"
            )
        totals.append(math.fsum(losses.ravel()))
        samples.append(losses.size)
    if not samples:
        raise ValueError("At least one recording is expected. Received: utterances=[]")
    return HeldOutLoss(
        tuple(totals), tuple(samples), model.loss_name, model.loss_unit, model.loss_is_discrete
    )


def batch_of(model: Any, clip: Clip) -> dict[str, tf.Tensor]:
    """The recording as a batch of one for the model, with the mel frames that it pads with.

    Args:
        model: says with its `upsampler` and `speaker_channels` what it takes.
        clip: the recording.

    Raises:
        ValueError: if the recording has no mel, or no speaker, that the model needs.
    """
    batch = {"audio": tf.constant(clip.signal[np.newaxis], model.signal_dtype)}
    if model.upsampler is not None:
        padding = model.upsampler.padding_frames
        mel = np.pad(clips.mel_of(clip), ((padding, padding), (0, 0)), mode="edge")
        batch["mel"] = tf.constant(mel[np.newaxis], tf.float32)
    if model.speaker_channels:
        batch["speaker"] = tf.constant([clips.speaker_of(clip)], tf.int32)
    return batch


def _program(model: Any) -> Any:
    """`model.sample_loss` as one graph for all lengths."""
    signature: dict[str, tf.TensorSpec] = {"audio": tf.TensorSpec([1, None], model.signal_dtype)}
    if model.upsampler is not None:
        signature["mel"] = tf.TensorSpec([1, None, model.local_channels], tf.float32)
    if model.speaker_channels:
        signature["speaker"] = tf.TensorSpec([1], tf.int32)
    return tf.function(lambda batch: model.sample_loss(batch, False), input_signature=[signature])
