"""Denoising diffusion: what training and testing measure, and the noise it ends in."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import tensorflow as tf

from tfwavenet import diffusion, rng
from tfwavenet.audio import level
from tfwavenet.models.audio_model import AudioModel

Loss = Literal["l1", "l2"]
Prior = Literal["standard", "energy"]

# The least level of `prior="energy"`, 54 dB below full scale: silence is not blown up.
_LEAST_LEVEL = 2e-3


class Denoiser(AudioModel):
    """Base of networks that predict the noise in a noisy signal.

    A subclass has, besides what an `AudioModel` has, `schedule`, `loss_norm` and `prior`.
    """

    def _check_objective(self) -> None:
        if self.loss_norm not in get_args(Loss):
            raise ValueError(
                f"`loss_norm` must be one of {get_args(Loss)}. "
                f"Received: loss_norm={self.loss_norm!r}"
            )
        number = isinstance(self.prior, (int, float)) and 0 < self.prior < math.inf
        if not number and self.prior not in get_args(Prior):
            raise ValueError(
                f"`prior` must be one of {get_args(Prior)} or a positive number. "
                f"Received: prior={self.prior!r}"
            )
        if self.prior == "energy" and (self.upsampler is None or self.recipe is None):
            missing = "upsampler" if self.upsampler is None else "recipe"
            raise ValueError(
                'prior="energy" is computed from features, which takes an `upsampler` and a '
                f"`recipe`. Received: {missing}=None"
            )

    @property
    def loss_name(self) -> str:
        """What `sample_loss` is."""
        return "denoising error"

    @property
    def loss_unit(self) -> str:
        """What `loss_norm` measures."""
        return "absolute error" if self.loss_norm == "l1" else "squared error"

    def describe_output(self) -> str:
        """What the network predicts, for people."""
        return f"noise of {len(self.schedule.betas)} diffusion steps"

    @property
    def inference_schedule(self) -> diffusion.NoiseSchedule | None:
        """The schedule that `generate` uses unless it is given another; None for the training's."""
        return self._inference_schedule

    @inference_schedule.setter
    def inference_schedule(self, schedule: Any) -> None:
        chosen = None if schedule is None else diffusion.get(schedule)
        if chosen is not None:
            self.schedule.align(chosen)
        self._inference_schedule = chosen

    def signal_level(self, mel: tf.Tensor | None) -> tf.Tensor:
        """The standard deviation of the noise that diffusion ends in.

        The signal is divided by it before diffusion, and what is generated multiplied: so the
        network sees and predicts noise of variance 1.

        Args:
            mel: float32 [batch, frames, local_channels]; not looked at unless `prior` is "energy".

        Returns:
            float32 [batch, frames * hop_samples], interpolated between the frames; [] if `prior`
            is not "energy".
        """
        if self.prior != "energy":
            return tf.constant(self._constant_level)
        rms = tf.maximum(level.signal_rms(mel, self.recipe), _LEAST_LEVEL)
        size = [tf.shape(rms)[1] * self.upsampler.hop_samples, 1]
        return tf.image.resize(rms[..., tf.newaxis, tf.newaxis], size)[..., 0, 0]

    @property
    def signal_limit(self) -> float:
        """The largest magnitude that the signal has after its division by `signal_level`."""
        return math.inf if self.prior == "energy" else 1 / self._constant_level

    @property
    def _constant_level(self) -> float:
        return 1.0 if self.prior == "standard" else float(self.prior)

    def _batch_level(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """`signal_level` of a batch, whose features have padding frames."""
        if self.prior != "energy":
            return self.signal_level(None)
        around = self.signal_level(self._mel(batch))
        margin = self.upsampler.padding_frames * self.upsampler.hop_samples
        return around[:, margin : tf.shape(around)[1] - margin]

    def sample_loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        """The error of the predicted noise at a random step, float32 [batch, samples]."""
        audio = batch["audio"] / self._batch_level(batch)
        step_seed, noise_seed = tf.unstack(rng.split(self._drawing_seed(audio, training), 2))
        steps = rng.randint([tf.shape(audio)[0]], step_seed, len(self.schedule.betas))
        noise = rng.normal(tf.shape(audio), noise_seed)
        noisy = self.schedule.diffuse(audio, noise, steps)
        error = noise - self({**batch, "audio": noisy, "step": steps}, training=training)
        return tf.abs(error) if self.loss_norm == "l1" else tf.square(error)
