"""Distillation of a student: what training and testing measure against its teacher."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfwavenet import rng
from tfwavenet.audio.spectral_loss import spectral_loss
from tfwavenet.distributions import Gaussian, MixtureOfLogistics
from tfwavenet.distributions.base import standard_logistic
from tfwavenet.distributions.divergences import gaussian_divergence, logistic_divergence
from tfwavenet.models.audio_model import AudioModel

# What the teacher of a student must predict, by the noise that the student transforms.
FAMILIES = {"gaussian": Gaussian, "logistic": MixtureOfLogistics}


class Student(AudioModel):
    """Base of networks that learn each sample's distribution from a teacher.

    A subclass has, besides what an `AudioModel` has, `noise`, `regularization`,
    `cross_entropy_draws`, `spectral_weight`, `spectral_resolutions` and `contrastive_weight`, and
    its `call` returns mean and logarithm of the scale of each sample given the noise before it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.divergence_tracker = tf.keras.metrics.Mean(name="divergence")
        self.spectral_tracker = tf.keras.metrics.Mean(name="spectral")

    @property
    def teacher(self) -> Any:
        """The teacher; None before `set_teacher`."""
        return self.__dict__.get("_teacher")

    def set_teacher(self, teacher: Any) -> None:
        """Gives the student its teacher, which is frozen.

        Args:
            teacher: a built `WaveNet` on the same features.

        Raises:
            ValueError: if it predicts another family of distributions than the student's, or
                differs in recipe, features or speakers; named.
        """
        check_teacher(self, teacher)
        teacher.trainable = False
        # Past Keras' tracking: the teacher is no part of the student.
        self.__dict__["_teacher"] = teacher

    @property
    def loss_name(self) -> str:
        """What `sample_loss` is."""
        return "distillation loss"

    @property
    def loss_unit(self) -> str:
        """The unit of the divergence; the spectral loss has none."""
        return "nats"

    def sample_loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Divergence from the teacher and distance of the spectra, float32 [batch, samples]."""
        divergence, spectral = self._distances(batch, training)
        return divergence + self.spectral_weight * spectral

    def _distances(
        self, batch: dict[str, tf.Tensor], training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Both parts of the loss, float32 [batch, samples] each."""
        if self.teacher is None:
            raise ValueError("A student needs `set_teacher` before this. Received: teacher=None")
        audio = batch["audio"]
        noise_seed, draw_seed = tf.unstack(rng.split(self._drawing_seed(audio, training), 2))
        noise = self._noise(tf.shape(audio), noise_seed)
        params = self({**batch, "noise": noise}, training=training)
        mean, log_scale = tf.unstack(params, axis=-1)
        made = mean + tf.exp(log_scale) * noise
        divergence = self._divergence(batch, made, params, draw_seed)
        if training and self.contrastive_weight:
            others = {name: tf.roll(value, 1, axis=0) for name, value in batch.items()}
            contrast = self._divergence(others, made, params, draw_seed)
            # An utterance alone has no other: it is not to be far from itself.
            has_others = tf.cast(tf.shape(audio)[0] > 1, contrast.dtype)
            divergence -= self.contrastive_weight * has_others * contrast
        if "mask" in batch:
            made *= tf.cast(batch["mask"], made.dtype)
        spectral = spectral_loss(audio, made, resolutions=self.spectral_resolutions)
        return divergence, tf.broadcast_to(spectral[:, tf.newaxis], tf.shape(audio))

    def _divergence(
        self,
        batch: dict[str, tf.Tensor],
        made: tf.Tensor,
        params: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """That of the student from the teacher under the conditions of a batch."""
        teacher = self.teacher
        target = teacher({**batch, "audio": teacher.previous_values(made)}, training=False)
        mean, log_scale = tf.unstack(params, axis=-1)
        if self.noise == "gaussian":
            return gaussian_divergence(
                mean,
                log_scale,
                target,
                teacher.distribution,
                regularization=self.regularization,
            )
        shape = tf.concat([tf.shape(made), [self.cross_entropy_draws]], axis=0)
        draws = rng.uniform(shape, seed)
        return logistic_divergence(mean, log_scale, target, teacher.distribution, draws=draws)

    def _loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        divergence, spectral = self._distances(batch, training)
        self._mean(divergence, batch, self.divergence_tracker)
        self._mean(spectral, batch, self.spectral_tracker)
        loss = divergence + self.spectral_weight * spectral
        return self._mean(loss, batch, self.loss_tracker)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that Keras resets at each epoch."""
        return [self.loss_tracker, self.divergence_tracker, self.spectral_tracker]

    def _noise(self, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """What the student transforms: white noise of a seed int32 [2]."""
        if self.noise == "gaussian":
            return rng.normal(shape, seed)
        return standard_logistic(rng.uniform(shape, seed))

    def _noise_stream(self, seeds: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
        """The same of each utterance from a position on, [batch, count]."""
        if self.noise == "gaussian":
            return rng.normal_stream(seeds, start, count)
        return standard_logistic(rng.uniform_stream(seeds, start, count, 1)[..., 0])


def check_teacher(student: Student, teacher: Any) -> None:
    """Checks that a student can learn from a teacher; their weights do not matter.

    Args:
        student: built or not.
        teacher: built or not.

    Raises:
        ValueError: for the first respect in which they do not fit, see `Student.set_teacher`.
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
    """What teacher and student must have in common to be given the same batch."""
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
