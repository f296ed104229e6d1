"""How far a student's distribution of each sample is from its teacher's, in nats."""

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
    """Kullback-Leibler divergence of Gaussians from those of a teacher, in closed form.

    Args:
        mean: float32 [...], of the student.
        log_scale: float32 [...], of the student.
        params: [..., 2], of the teacher.
        teacher: the distribution that `params` describe.
        regularization: weight of the squared difference of the logarithms of the scales. It keeps
            the gradient bounded where both distributions are narrow.

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
    """Kullback-Leibler divergence of logistics from mixtures of a teacher, estimated by draws.

    The cross-entropy minus the entropy. The teacher's density is that without ends: of the lowest
    and the highest level, which take the tails, a student would make use.

    Args:
        mean: float32 [...], of the student.
        log_scale: float32 [...], of the student.
        params: [..., 3 * components], of the teacher.
        teacher: the distribution that `params` describe.
        draws: float32 [..., n], uniforms in (0, 1); the mean over n draws is taken.

    Returns:
        float32 [...]; of its expectation the divergence, so single ones may be negative.

    Source: van den Oord et al., "Parallel WaveNet", arXiv:1711.10433, section 4.1.
    """
    values = mean[..., tf.newaxis] + tf.exp(log_scale)[..., tf.newaxis] * standard_logistic(draws)
    log_density = teacher.log_density(params[..., tf.newaxis, :], values)
    return -tf.reduce_mean(log_density, axis=-1) - (log_scale + 2)
