"""`tfwavenet.diffusion`: schedules and reverse steps against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfwavenet import diffusion
from tfwavenet.diffusion import NoiseSchedule

TRAINING = NoiseSchedule.linear(50, 1e-4, 0.05)
FAST = [1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5]


def test_signal_levels_of_the_published_schedule():
    # DiffWave, table 1 and lmnt-com/diffwave: alpha bar after the last of 50 steps.
    assert TRAINING.signal_levels[-1] ** 2 == pytest.approx(0.2796725002, rel=1e-9)


def test_fast_schedule_lies_where_the_published_code_puts_it():
    expected = [0.0, 0.8941341034, 4.0866540230, 10.4518165239, 22.9924933075, 42.9186430599]
    np.testing.assert_allclose(TRAINING.align(NoiseSchedule(tuple(FAST))), expected, atol=1e-6)


def test_a_schedule_lies_on_itself():
    np.testing.assert_allclose(TRAINING.align(TRAINING), np.arange(50), atol=1e-9)


def published_step(x, noise, fresh, betas, n):
    """DiffWave's algorithm 2."""
    alpha, abar = 1 - betas, np.cumprod(1 - betas)
    x = (x - betas[n] / np.sqrt(1 - abar[n]) * noise) / np.sqrt(alpha[n])
    if n:
        x = x + np.sqrt((1 - abar[n - 1]) / (1 - abar[n]) * betas[n]) * fresh
    return x


@pytest.mark.parametrize("betas", [FAST, list(TRAINING.betas), [0.3]])
def test_ancestral_steps_are_those_of_the_paper(betas):
    factors = diffusion.get(betas).update_coefficients()
    given = np.random.default_rng(0).normal(size=3)
    for n, row in enumerate(factors):
        expected = published_step(*given, np.array(betas), n)
        assert row @ given == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_deterministic_steps_keep_signal_and_noise():
    """With the true noise, each step lands exactly where the forward process would be."""
    schedule = diffusion.get(FAST)
    signal, noise = 0.3, -1.2
    levels = schedule.signal_levels
    x = levels[-1] * signal + np.sqrt(1 - levels[-1] ** 2) * noise
    for n in reversed(range(len(levels))):
        x = schedule.update_coefficients(eta=0.0)[n] @ [x, noise, 99.0]
        level = levels[n - 1] if n else 1.0
        assert x == pytest.approx(level * signal + np.sqrt(1 - level**2) * noise, rel=1e-9)


def test_reverse_steps_invert_the_diffusion_of_a_gaussian():
    """Where the data are one point the optimal predictor is known, and sampling finds the point."""
    schedule = NoiseSchedule.linear(200, 1e-4, 0.05)
    factors, levels = schedule.update_coefficients(), schedule.signal_levels
    generator = np.random.default_rng(1)
    x = generator.normal(size=1000)
    for n in reversed(range(200)):
        predicted = (x - levels[n] * 0.7) / np.sqrt(1 - levels[n] ** 2)
        x = factors[n] @ np.stack([x, predicted, generator.normal(size=1000)])
    np.testing.assert_allclose(x, 0.7, atol=1e-9)


def test_diffused_audio_has_the_level_of_its_step():
    signal, noise = tf.ones([2, 3]), 2 * tf.ones([2, 3])
    levels = TRAINING.signal_levels[[4, 49]]
    expected = levels + 2 * np.sqrt(1 - levels**2)
    diffused = TRAINING.diffuse(signal, noise, tf.constant([4, 49]))
    np.testing.assert_allclose(diffused, np.repeat(expected[:, np.newaxis], 3, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("identifier", "betas"),
    [
        (TRAINING, TRAINING.betas),
        ([0.1, 0.2], (0.1, 0.2)),
        (np.array([0.1, 0.2]), (0.1, 0.2)),
        ({"steps": 3, "first": 0.1, "last": 0.3}, (0.1, 0.2, 0.3)),
    ],
)
def test_schedules_are_given_in_three_ways(identifier, betas):
    assert diffusion.get(identifier).betas == pytest.approx(betas)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ([], "needs at least one step"),
        ({"steps": 0, "first": 0.1, "last": 0.2}, "needs at least one step"),
        ([0.1, 1.0], r"numbers in \(0, 1\). Received: betas\[1\]=1.0"),
        ([0.0, 0.1], r"numbers in \(0, 1\). Received: betas\[0\]=0.0"),
        ([0.1, float("nan")], r"numbers in \(0, 1\). Received: betas\[1\]=nan"),
        ([0.1, 0.3, 0.2], r"increases from step to step. Received: betas\[1\]=0.3, betas\[2\]=0.2"),
        ({"steps": 5}, r"keys steps, first and last. Received: \['steps'\]"),
        ("linear", "given by its variances or as {steps, first, last}. Received: 'linear'"),
        (0.1, "given by its variances or as {steps, first, last}. Received: 0.1"),
    ],
)
def test_bad_schedules_are_refused(identifier, message):
    with pytest.raises(ValueError, match=message):
        diffusion.get(identifier)


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ([0.1, 0.9], "must not end noisier .* 0.528841. Received: a last signal level of 0.3"),
        ([1e-5, 0.1], r"must not begin cleaner .* 0.0001. Received: betas\[0\]=1e-05"),
    ],
)
def test_schedules_beyond_that_of_training_are_refused(betas, message):
    with pytest.raises(ValueError, match=message):
        TRAINING.align(diffusion.get(betas))


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_bad_eta_is_refused(eta):
    with pytest.raises(ValueError, match=rf"eta must be in \[0, 1\]. Received: eta={eta}"):
        TRAINING.update_coefficients(eta)


@pytest.mark.parametrize("betas", [(None,), ("a",), ([0.1],)])
def test_variances_that_are_no_numbers_are_one_sentence(betas):
    with pytest.raises(ValueError, match=r"holds numbers in \(0, 1\). Received: betas="):
        diffusion.get(betas)


SCHEDULES = (
    NoiseSchedule.linear(50, 1e-4, 0.05),
    NoiseSchedule.linear(200, 1e-4, 0.02),
    NoiseSchedule.linear(50, 1e-4, 0.2),
    NoiseSchedule.linear(1000, 1e-6, 0.01),
    NoiseSchedule.linear(12, 0.01, 0.9),
)


@pytest.mark.parametrize("training", SCHEDULES, ids=lambda one: f"{len(one.betas)}")
def test_any_number_of_steps_covers_the_range_of_training(training):
    for steps in range(2, len(training.betas) + 1):
        short = training.shortened(steps)
        assert len(short.betas) == steps
        np.testing.assert_allclose(short.signal_levels[0], training.signal_levels[0], rtol=1e-9)
        np.testing.assert_allclose(short.signal_levels[-1], training.signal_levels[-1], rtol=1e-6)
        training.align(short)
    assert training.shortened(len(training.betas)) is training


def test_few_steps_lie_evenly_in_the_signal_to_noise_ratio():
    power = SCHEDULES[0].shortened(6).signal_levels ** 2
    steps = np.diff(10 * np.log10(power / (1 - power)))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


@pytest.mark.parametrize("steps", [0, -1, 51, 2.0, "6"])
def test_numbers_of_steps_that_are_none(steps):
    with pytest.raises(ValueError, match="an integer from 1 to 50. Received: steps="):
        SCHEDULES[0].shortened(steps)
