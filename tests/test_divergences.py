"""Divergences of student and teacher against integrals of the densities."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from tfwavenet.distributions import Gaussian, MixtureOfLogistics
from tfwavenet.distributions.divergences import gaussian_divergence, logistic_divergence


def integral(density, other, low, high):
    """The divergence of one density from another, by the trapezoidal rule."""
    x = np.linspace(low, high, 200_001)
    return integrate.trapezoid(density(x) * (np.log(density(x)) - np.log(other(x))), x)


@pytest.mark.parametrize(
    ("mean", "log_scale", "target", "target_log_scale"),
    [(0.1, -1.0, 0.1, -1.0), (0.3, -2.0, -0.1, -1.0), (0.0, -0.5, 0.2, -2.0)],
)
def test_closed_form_equals_the_integral(mean, log_scale, target, target_log_scale):
    actual = gaussian_divergence(
        tf.constant(mean),
        tf.constant(log_scale),
        tf.constant([target, target_log_scale]),
        Gaussian(),
    )
    expected = integral(
        stats.norm(mean, np.exp(log_scale)).pdf,
        stats.norm(target, np.exp(target_log_scale)).pdf,
        mean - 8 * np.exp(log_scale),
        mean + 8 * np.exp(log_scale),
    )
    assert float(actual) == pytest.approx(expected, abs=1e-5)


def test_closed_form_equals_a_monte_carlo_estimate():
    noise = np.random.default_rng(0).normal(size=1_000_000)
    own, teacher = stats.norm(0.2, np.exp(-1.5)), stats.norm(-0.1, np.exp(-1.0))
    draws = 0.2 + np.exp(-1.5) * noise
    log_ratios = own.logpdf(draws) - teacher.logpdf(draws)
    actual = gaussian_divergence(
        tf.constant(0.2), tf.constant(-1.5), tf.constant([-0.1, -1.0]), Gaussian()
    )
    error = log_ratios.std() / np.sqrt(len(draws))
    assert float(actual) == pytest.approx(log_ratios.mean(), abs=4 * error)


def test_regularization_is_the_squared_difference_of_the_log_scales():
    arguments = (tf.constant(0.2), tf.constant(-1.5), tf.constant([-0.1, -1.0]), Gaussian())
    without = gaussian_divergence(*arguments)
    regularized = gaussian_divergence(*arguments, regularization=4.0)
    assert float(regularized - without) == pytest.approx(4 * 0.5**2)


def test_a_narrow_teacher_is_taken_at_its_least_scale():
    wide = gaussian_divergence(
        tf.constant(0.0), tf.constant(-2.0), tf.constant([0.0, -9.0]), Gaussian(log_scale_min=-2.0)
    )
    assert float(wide) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "log_scale"), [(0.0, -3.0), (0.2, -4.0), (-0.3, -3.5), (0.9, -2.0), (0.0, 0.0)]
)
def test_estimate_is_the_integral_for_a_mixture(mean, log_scale):
    """Two components of a teacher, and a student of one logistic, beyond [-1, 1] too."""
    params = np.array([0.5, -0.5, 0.1, -0.2, -3.0, -2.5], np.float32)
    weights = np.exp(params[:2]) / np.exp(params[:2]).sum()
    components = [stats.logistic(m, np.exp(s)) for m, s in zip(params[2:4], params[4:])]

    def mixture(x):
        return sum(weight * component.pdf(x) for weight, component in zip(weights, components))

    own = stats.logistic(mean, np.exp(log_scale))
    reach = 15 * np.exp(log_scale)
    expected = integral(own.pdf, mixture, mean - reach, mean + reach)
    draws = (np.arange(50_000, dtype=np.float32) + 0.5) / 50_000
    actual = logistic_divergence(
        tf.constant(mean),
        tf.constant(log_scale),
        tf.constant(params),
        MixtureOfLogistics(components=2),
        draws=tf.constant(draws),
    )
    assert float(actual) == pytest.approx(expected, rel=1e-3, abs=2e-3)


def test_density_is_the_probability_of_a_level_over_its_width():
    teacher = MixtureOfLogistics(components=2, levels=256)
    params = tf.constant([0.5, -0.5, 0.1, -0.2, -3.0, -8.0])
    values = tf.constant([-0.2, 0.1, 0.5]) // (2 / 255) * (2 / 255) + 1 / 255
    expected = teacher.log_prob(params, values) - np.log(2 / 255)
    np.testing.assert_allclose(teacher.log_density(params, values), expected, rtol=1e-5)
    line = np.linspace(-30, 30, 600_001, dtype=np.float32)
    density = np.exp(teacher.log_density(params, tf.constant(line)).numpy().astype(np.float64))
    assert integrate.trapezoid(density, line) == pytest.approx(1.0, abs=2e-3)
