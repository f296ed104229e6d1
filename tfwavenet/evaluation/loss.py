"""Computes the loss of a model on whole held-out utterances, without crops or padding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tfwavenet.evaluation import statistics
from tfwavenet.evaluation.utterances import Utterance, mel_of, speaker_of
from tfwavenet.models import ParallelWaveNet
from tfwavenet.models.audio_model import AudioModel


@dataclasses.dataclass(frozen=True)
class HeldOutLoss:
    """The loss of a set of utterances.

    Attributes:
        totals: sum of the loss over the samples of each utterance. If the loss cannot be computed,
            because a student has no teacher, empty.
        samples: number of samples of each utterance.
        name: name of the loss.
        unit: unit of the loss of a sample.
        discrete: whether it is the negative log-likelihood of a discrete distribution. The
            likelihood of a density may be negative, and has no meaning in bits.
    """

    totals: tuple[float, ...]
    samples: tuple[int, ...]
    name: str
    unit: str
    discrete: bool = False

    @property
    def per_sample(self) -> Optional[float]:
        """Returns the mean over all samples of all utterances, or None."""
        return None if not self.totals else math.fsum(self.totals) / sum(self.samples)

    @property
    def bits_per_sample(self) -> Optional[float]:
        """Returns the mean in bits. If the distribution is not discrete, None."""
        per_sample = self.per_sample
        return per_sample / math.log(2) if self.discrete and per_sample is not None else None

    @property
    def ci95(self) -> Optional[float]:
        """Returns half of the 95 % confidence interval of the mean. If there is one utterance, None."""
        return None if not self.totals else statistics.ratio_ci95(self.totals, self.samples)

    def mean_of(self, chosen: Iterable[int]) -> Optional[float]:
        """Returns the mean over the samples of the utterances of these numbers, or None."""
        if not self.totals:
            return None
        chosen = list(chosen)
        total = math.fsum(self.totals[i] for i in chosen)
        return total / sum(self.samples[i] for i in chosen)


def held_out_loss(model: AudioModel, utterances: Iterable[Utterance]) -> HeldOutLoss:
    """Computes the loss of whole utterances; for a WaveNet it is their exact likelihood.

    Every utterance is one parallel pass of the network, with batch 1 and without padding. So no
    sample is left out.

    Args:
        model: a model of `tfwavenet.models`.
        utterances: at least one, with mel and speaker as the model takes them.

    Raises:
        ValueError: If there is no utterance, or the loss of one is not finite; names it.
    """
    if isinstance(model, ParallelWaveNet) and model.teacher is None:
        lengths = tuple(len(utterance.signal) for utterance in utterances)
        return HeldOutLoss((), lengths, model.loss_name, model.loss_unit)
    program = _program(model)
    totals, samples = [], []
    for utterance in utterances:
        losses = program(batch_of(model, utterance)).numpy().astype(np.float64)
        if not np.isfinite(losses).all():
            raise ValueError(
                f"The {model.loss_name} of every sample must be finite. "
                f"Received: utterance={utterance.name!r}"
            )
        totals.append(math.fsum(losses.ravel()))
        samples.append(losses.size)
    if not samples:
        raise ValueError("At least one utterance is expected. Received: utterances=[]")
    return HeldOutLoss(
        tuple(totals), tuple(samples), model.loss_name, model.loss_unit, model.loss_is_discrete
    )


def batch_of(model: AudioModel, utterance: Utterance) -> dict[str, tf.Tensor]:
    """Returns an utterance as a batch of one for the model, with the mel frames of its padding.

    Args:
        model: its `upsampler` and `speaker_channels` tell what it takes.
        utterance: the utterance.

    Raises:
        ValueError: If the utterance has no mel, or no speaker, and the model needs it.
    """
    batch = {"audio": tf.constant(utterance.signal[np.newaxis], model.codec.signal_dtype)}
    if model.upsampler is not None:
        padding = model.upsampler.padding_frames
        mel = np.pad(mel_of(utterance), ((padding, padding), (0, 0)), mode="edge")
        batch["mel"] = tf.constant(mel[np.newaxis], tf.float32)
    if model.speaker_channels:
        batch["speaker"] = tf.constant([speaker_of(utterance)], tf.int32)
    return batch


def _program(model: AudioModel) -> Any:
    """Returns `model.sample_loss` as one graph for all lengths."""
    signature: dict[str, tf.TensorSpec] = {
        "audio": tf.TensorSpec([1, None], model.codec.signal_dtype)
    }
    if model.upsampler is not None:
        signature["mel"] = tf.TensorSpec([1, None, model.local_channels], tf.float32)
    if model.speaker_channels:
        signature["speaker"] = tf.TensorSpec([1], tf.int32)
    return tf.function(lambda batch: model.sample_loss(batch, False), input_signature=[signature])
