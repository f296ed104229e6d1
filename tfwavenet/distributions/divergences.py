"""Computes divergences of a student's distributions from its teacher's, in nats."""

from __future__ import annotations

import tensorflow as tf

from tfwavenet.distributions.base import standard_logistic
from tfwavenet.distributions.mixtures import Gaussian, MixtureOfLogistics


def gaussian_divergence(
    mean: tf.Tensor,
    log_scale: tf.Tensor,
    params: tf.Tensor,
    teacher: Gaussian,
    *,
    regularization: float = 0.0,
) -> tf.Tensor:
    """Computes the Kullback-Leibler divergence from a teacher's Gaussians in closed form.

    Args:
        mean: float32 [...], means of the student.
        log_scale: float32 [...], log-scales of the student.
        params: [..., 2], parameters of the teacher.
        teacher: distribution of the teacher.
        regularization: weight of the squared difference of the log-scales, which keeps the
            gradient bounded if both distributions are narrow.

    Returns:
        float32 [...], at least 0.

    Source: Ping et al., "ClariNet", arXiv:1807.07281, equations 7 and 8.
    """
    target, target_log_scale = teacher.mean_and_log_scale(params)
    difference = target_log_scale - log_scale
    squares = tf.exp(-2 * difference) + tf.square(mean - target) * tf.exp(-2 * target_log_scale)
    return difference + 0.5 * (squares - 1) + regularization * tf.square(difference)


def logistic_divergence(
    mean: tf.Tensor,
    log_scale: tf.Tensor,
    params: tf.Tensor,
    teacher: MixtureOfLogistics,
    *,
    draws: tf.Tensor,
) -> tf.Tensor:
    """Estimates the Kullback-Leibler divergence from a teacher's mixtures of logistics by draws.

    The divergence is the cross-entropy minus the entropy. The teacher's density has no ends, as a
    student would exploit the lowest and the highest level, which take the tails.

    Args:
        mean: float32 [...], means of the student.
        log_scale: float32 [...], log-scales of the student.
        params: [..., 3 * components], parameters of the teacher.
        teacher: distribution of the teacher.
        draws: float32 [..., n], uniforms in (0, 1); the mean over n draws is taken.

    Returns:
        float32 [...], whose expectation is the divergence; a single value may be negative.

    Source: van den Oord et al., "Parallel WaveNet", arXiv:1711.10433, section 4.1.
    """
    values = mean[..., tf.newaxis] + tf.exp(log_scale)[..., tf.newaxis] * standard_logistic(draws)
    log_density = teacher.log_density(params[..., tf.newaxis, :], values)
    return -tf.reduce_mean(log_density, axis=-1) - (log_scale + 2)
