"""Distillation of a student: what training and testing measure against its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from tfwavenet import rng
from tfwavenet.audio.spectral_loss import spectral_loss
from tfwavenet.distributions import Gaussian, MixtureOfLogistics
from tfwavenet.distributions.base import standard_logistic
from tfwavenet.distributions.divergences import gaussian_divergence, logistic_divergence
from tfwavenet.layers import replicas
from tfwavenet.models.audio_model import AudioModel

Noise = Literal["gaussian", "logistic"]

# The distribution that the teacher of a student must predict, by the noise of the student.
FAMILIES = {"gaussian": Gaussian, "logistic": MixtureOfLogistics}


def distances(
    student: Any, batch: Mapping[str, tf.Tensor], training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the two parts of a student's loss.

    Args:
        student: a `ParallelWaveNet` with a teacher.
        batch: see `ParallelWaveNet`.
        training: whether this is a training step.

    Returns:
        The divergence from the teacher and the distance of the spectra, float32
        [batch, samples] each.

    Raises:
        ValueError: If the student has no teacher.
    """
    if student.teacher is None:
        raise ValueError("A student needs `set_teacher` before this. Received: teacher=None")
    audio = batch["audio"]
    noise_seed, draw_seed = tf.unstack(rng.split(student._drawing_seed(audio, training), 2))
    noise = _noise(student.noise, tf.shape(audio), noise_seed)
    params = student({**batch, "noise": noise}, training=training)
    mean, log_scale = tf.unstack(params, axis=-1)
    made = mean + tf.exp(log_scale) * noise
    divergence = _divergence(student, batch, made, params, draw_seed)
    if training and student.contrastive_weight:
        conditions = {name: batch[name] for name in ("mel", "speaker") if name in batch}
        others = {name: replicas.previous_rows(value) for name, value in conditions.items()}
        contrast = _divergence(student, others, made, params, draw_seed)
        # An utterance alone has no other: it is not to be far from itself.
        has_others = tf.cast(replicas.place(tf.shape(audio)[0])[1] > 1, contrast.dtype)
        divergence -= student.contrastive_weight * has_others * contrast
    if "mask" in batch:
        made *= tf.cast(batch["mask"], made.dtype)
    spectral = spectral_loss(audio, made, resolutions=student.spectral_resolutions)
    return divergence, tf.broadcast_to(spectral[:, tf.newaxis], tf.shape(audio))


def _divergence(
    student: Any,
    batch: Mapping[str, tf.Tensor],
    made: tf.Tensor,
    params: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Computes the divergence of a student from its teacher under the conditions of a batch."""
    teacher = student.teacher
    target = teacher({**batch, "audio": teacher.previous_values(made)}, training=False)
    mean, log_scale = tf.unstack(params, axis=-1)
    if student.noise == "gaussian":
        return gaussian_divergence(
            mean, log_scale, target, teacher.distribution, regularization=student.regularization
        )
    draws = replicas.draw(
        lambda shape: rng.uniform(shape, seed),
        *tf.unstack(tf.shape(made), 2),
        student.cross_entropy_draws,
    )
    return logistic_divergence(mean, log_scale, target, teacher.distribution, draws=draws)


def _noise(kind: Noise, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns white noise of a seed int32 [2]."""
    rows, samples = tf.unstack(shape, 2)
    if kind == "gaussian":
        return replicas.draw(lambda whole: rng.normal(whole, seed), rows, samples)
    uniforms = replicas.draw(lambda whole: rng.uniform(whole, seed), rows, samples)
    return standard_logistic(uniforms)


def noise_stream(kind: Noise, seeds: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
    """Returns white noise of each utterance from a position on.

    Args:
        kind: "gaussian" or "logistic".
        seeds: int32 [batch, 2].
        start: int64 [batch], position of the first value.
        count: number of values.

    Returns:
        float32 [batch, count].
    """
    if kind == "gaussian":
        return rng.normal_stream(seeds, start, count)
    return standard_logistic(rng.uniform_stream(seeds, start, count, 1)[..., 0])


def check_teacher(student: Any, teacher: Any) -> None:
    """Checks that a student can learn from a teacher; their weights do not matter.

    Args:
        student: built or not.
        teacher: built or not.

    Raises:
        ValueError: If they do not fit; the message names the first difference.
    """
    family = FAMILIES[student.noise]
    distribution = getattr(teacher, "distribution", None)
    if not isinstance(distribution, family):
        raise ValueError(
            f"A student of {student.noise} noise needs a teacher that predicts a "
            f"{family.__name__}. Received: {distribution!r}"
        )
    conditions = _conditions(teacher)
    for name, value in _conditions(student).items():
        other = conditions.get(name)
        if other != value:
            raise ValueError(
                f"Expected a teacher with the student's {name}={value!r}. "
                f"Received: a teacher with {name}={other!r}"
            )


def _conditions(model: AudioModel) -> dict[str, Any]:
    """Returns what teacher and student must have in common to be given the same batch."""
    upsampler = model.upsampler
    recipe = {} if model.recipe is None else model.recipe.get_config()
    return {
        **{f"recipe {name}": value for name, value in recipe.items()},
        "hop_samples": None if upsampler is None else upsampler.hop_samples,
        "padding_frames": None if upsampler is None else upsampler.padding_frames,
        "local_channels": model.local_channels,
        "num_speakers": model.num_speakers if model.speaker_channels else None,
        # Of speaker vectors teacher and student are given the same.
        "speaker_channels": None if model.num_speakers else model.speaker_channels,
    }
