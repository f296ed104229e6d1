"""`tfwavenet.distributions`: likelihoods against float64 oracles, samples against likelihoods."""

from __future__ import annotations

import doctest
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tests.support import shared
from tfwavenet import distributions, rng

EVERY = [
    distributions.Categorical(classes=12),
    distributions.MixtureOfLogistics(components=3, levels=256),
    distributions.MixtureOfLogistics(components=3, levels=65536),
    distributions.Gaussian(),
    distributions.MixtureOfGaussians(components=3),
]
NAMES = [repr(distribution) for distribution in EVERY]
every_distribution = pytest.mark.parametrize("distribution", EVERY, ids=NAMES)


def levels_of(count: int) -> np.ndarray:
    return (2 * np.arange(count, dtype=np.float64) / (count - 1) - 1).astype(np.float32)


def parameters(distribution, *, shape=(5,), seed=0, scale=1.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(0, scale, (*shape, distribution.channels)).astype(np.float32)


def mixture_oracle(params, log_mass):
    """Float64 mixture of per-component log-masses [..., components]."""
    logits = np.split(params.astype(np.float64), 3, axis=-1)[0]
    joint = special.log_softmax(logits, axis=-1) + log_mass
    return special.logsumexp(joint, axis=-1)


def logistic_oracle(params, value, levels):
    """Float64 mass between the midpoints, as the difference of two logistic functions."""
    _, means, log_scales = np.split(params.astype(np.float64), 3, axis=-1)
    level = np.round((value.astype(np.float64) + 1) * (levels - 1) / 2)[..., np.newaxis]
    edges = (2 * level + np.array([-1.0, 1.0])[:, np.newaxis, np.newaxis]) / (levels - 1) - 1
    low, high = (edges - means) / np.exp(log_scales)
    low = np.where(level == 0, -np.inf, low)
    high = np.where(level == levels - 1, np.inf, high)
    mirrored = low > 0  # the smaller tail keeps its digits
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    with np.errstate(divide="ignore"):
        log_mass = np.log(special.expit(high) - special.expit(low))
    return mixture_oracle(params, log_mass)


@pytest.mark.parametrize("levels", [2, 3, 16, 256, 65536])
@pytest.mark.parametrize("log_scale", [-16.0, -12.0, -7.0, -3.0, 0.0, 4.0, 1e3])
@pytest.mark.parametrize("mean", [0.0, 1.0 / 65535, 0.3, -1.0, 1.2, 1e4])  # on, between, outside
def test_logistics_sum_to_one(levels, log_scale, mean):
    distribution = distributions.MixtureOfLogistics(components=2, levels=levels)
    params = tf.constant([0.3, -1.0, mean, -0.4, log_scale, -2.0])
    log_prob = distribution.log_prob(tf.broadcast_to(params, [levels, 6]), levels_of(levels))
    total = np.exp(log_prob.numpy().astype(np.float64)).sum()
    assert total == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 17, 256])
def test_categorical_sums_to_one(classes):
    distribution = distributions.Categorical(classes=classes)
    params = np.broadcast_to(parameters(distribution, shape=(1,), scale=5.0), [classes, classes])
    log_prob = distribution.log_prob(params, np.arange(classes, dtype=np.int32)).numpy()
    assert np.exp(log_prob.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(log_prob, special.log_softmax(params[0]), atol=1e-5)


@pytest.mark.parametrize("levels", [2, 5, 256, 65536])
def test_logistics_equal_float64(levels):
    distribution = distributions.MixtureOfLogistics(components=3, levels=levels)
    generator = np.random.default_rng(1)
    value = levels_of(levels)[generator.integers(0, levels, 400)]
    value[:2] = -1.0, 1.0
    params = parameters(distribution, shape=(400,), seed=2)
    params[:, 6:] = generator.uniform(-9.0, 2.0, (400, 3))
    expected = logistic_oracle(params, value, levels)
    finite = np.isfinite(expected)
    assert finite.mean() > 0.95
    got = distribution.log_prob(params, value).numpy()
    np.testing.assert_allclose(got[finite], expected[finite], rtol=2e-4, atol=2e-4)


def test_logistics_between_two_levels():
    """The bin moves with the value, so the likelihood has no steps."""
    distribution = distributions.MixtureOfLogistics(components=1, levels=11)
    value = np.linspace(-0.5, 0.5, 101).astype(np.float32)
    params = np.tile(np.float32([0.0, 0.1, -1.0]), (101, 1))
    inverse = np.exp(1.0)
    mass = special.expit((value + 0.1 - 0.1) * inverse) - special.expit((value - 0.2) * inverse)
    got = np.exp(distribution.log_prob(params, value).numpy())
    np.testing.assert_allclose(got, mass, atol=1e-3)  # values near a level count as the level
    assert np.unique(got).size > 60


def r9y9_logistic(params, value, levels=65536):
    """The loss of r9y9/wavenet_vocoder (mixture.py) in float64, with its edge tests."""
    _, means, log_scales = np.split(params.astype(np.float64), 3, axis=-1)
    value = value.astype(np.float64)[..., np.newaxis]
    inverse, half = np.exp(-np.maximum(log_scales, -16.0)), 1 / (levels - 1)
    upper, lower = inverse * (value - means + half), inverse * (value - means - half)
    mass = special.expit(upper) - special.expit(lower)
    middle = inverse * (value - means)
    density = middle - log_scales - 2 * np.logaddexp(0, middle) - np.log((levels - 1) / 2)
    inner = np.where(mass > 1e-5, np.log(np.maximum(mass, 1e-12)), density)
    high = np.where(value > 0.999, special.log_expit(-lower), inner)
    return mixture_oracle(params, np.where(value < -0.999, special.log_expit(upper), high))


def test_logistics_with_the_published_edges():
    value = np.float32([-1.0, -0.9995, -0.998, 0.0, 0.998, 0.9992, 1.0])
    params = parameters(distributions.MixtureOfLogistics(), shape=(7,), scale=0.5)
    published = distributions.MixtureOfLogistics(edge=0.999).log_prob(params, value).numpy()
    exact = distributions.MixtureOfLogistics().log_prob(params, value).numpy()
    np.testing.assert_allclose(published, r9y9_logistic(params, value), rtol=1e-5)
    np.testing.assert_array_equal(
        np.abs(published - exact) > 1.0, [False, True, False, False, False, True, False]
    )


def test_logistics_equal_the_golden_pairs():
    pairs = np.load(shared.golden("r9y9_mol.npz"))
    for edge in (None, 0.999):
        distribution = distributions.MixtureOfLogistics(edge=edge)
        got = -distribution.log_prob(pairs["output"], pairs["target"]).numpy()
        # The golden values are a float32 difference of two sigmoids: each is off by up to 2e-3.
        np.testing.assert_allclose(got, pairs["nll_per_sample"], rtol=2e-4)
        assert got.mean() == pytest.approx(pairs["nll_per_sample"].mean(), rel=1e-5)
        np.testing.assert_allclose(got, -r9y9_logistic(pairs["output"], pairs["target"]), rtol=1e-6)


def test_gaussian_equals_the_golden_pairs():
    pairs = np.load(shared.golden("r9y9_gaussian.npz"))
    got = -distributions.Gaussian().log_prob(pairs["output"], pairs["target"]).numpy()
    np.testing.assert_allclose(got, pairs["nll_per_sample"], rtol=1e-6)


def test_gaussians_equal_scipy():
    mixture = distributions.MixtureOfGaussians(components=3)
    params, value = parameters(mixture, shape=(50,)), np.linspace(-1, 1, 50, dtype=np.float32)
    _, means, log_scales = np.split(params.astype(np.float64), 3, axis=-1)
    density = stats.norm.logpdf(value[:, np.newaxis], means, np.exp(log_scales))
    np.testing.assert_allclose(
        mixture.log_prob(params, value), mixture_oracle(params, density), rtol=1e-5, atol=1e-5
    )
    single = distributions.Gaussian()
    np.testing.assert_allclose(
        single.log_prob(params[:, [3, 6]], value), density[:, 0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("log_scale_min", [-7.0, -16.0])
@pytest.mark.parametrize("name", ["MixtureOfLogistics", "MixtureOfGaussians", "Gaussian"])
def test_log_scales_are_clamped_from_below(name, log_scale_min):
    config = {"class_name": name, "config": {"log_scale_min": log_scale_min}}
    distribution = distributions.get(config)
    params = np.zeros([1, distribution.channels], np.float32)
    scales = slice(-distribution.channels // 3 if distribution.channels > 2 else -1, None)
    params[:, scales] = log_scale_min
    at_limit = distribution.log_prob(params, [1e-4])
    params[:, scales] = log_scale_min - 5.0
    np.testing.assert_array_equal(distribution.log_prob(params, [1e-4]), at_limit)


def extremes(distribution):
    """Parameters at the edges of what a network can put out, each against three values."""
    width = distribution.channels
    if not isinstance(distribution, distributions.Categorical):
        parts = np.array(np.meshgrid([-1e4, 0.0, 1e4], [-1e4, -1.0, 0.5, 1e4], [-1e3, -16, 0, 1e3]))
        rows = parts.reshape(3, -1).T[:, -(width if width == 2 else 3) :]
        params = np.repeat(rows, width // rows.shape[1], axis=1)
        values = np.float32([-1.0, 0.0, 1.0])
    else:
        params = np.stack([np.full(width, 6e4), np.linspace(-6e4, 6e4, width), np.zeros(width)])
        values = np.int32([0, 5, 11])
    return np.repeat(params, 3, axis=0).astype(np.float32), np.tile(values, len(params))


@every_distribution
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_extremes_stay_finite(distribution, dtype, jit_compile):
    params, values = extremes(distribution)
    noise = np.resize(np.float32([2.0**-24, 0.5, 1 - 2.0**-24]), (3, distribution.noise_channels))
    noise = np.resize(noise, (len(params), distribution.noise_channels))

    @tf.function(jit_compile=jit_compile, autograph=False)
    def compute(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            log_prob = distribution.log_prob(params, values)
        samples = [distribution.sample(params, noise, heat) for heat in (0.0, 0.5, 1.0)]
        return log_prob, tape.gradient(log_prob, params), samples

    log_prob, gradient, samples = compute(tf.cast(params, dtype))
    assert log_prob.dtype == tf.float32
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tf.cast(gradient, tf.float64)).all() or dtype == "float16"
    assert not np.isnan(tf.cast(gradient, tf.float64)).any()
    for sample in samples:
        assert sample.dtype == distribution.value_dtype
        assert np.isfinite(sample.numpy()).all()
        if not distribution.value_dtype.is_integer:
            assert np.abs(sample).max() <= 1.0


@every_distribution
def test_gradients_equal_finite_differences(distribution):
    params = parameters(distribution, shape=(4,), seed=3)
    if distribution.value_dtype.is_integer:
        value = tf.constant([0, 3, 11, 5])
    else:
        value = tf.constant(levels_of(256)[[0, 100, 200, 255]])
    with tf.GradientTape() as tape:
        watched = tf.constant(params)
        tape.watch(watched)
        total = tf.reduce_sum(distribution.log_prob(watched, value))
    got = tape.gradient(total, watched).numpy()
    step = 1e-2
    for channel in range(distribution.channels):
        shift = np.zeros_like(params)
        shift[:, channel] = step
        high = distribution.log_prob(params + shift, value).numpy()
        low = distribution.log_prob(params - shift, value).numpy()
        np.testing.assert_allclose(got[:, channel], (high - low) / (2 * step), atol=2e-3, rtol=1e-2)


def uniforms(distribution, count, seed=0):
    return rng.uniform([count, distribution.noise_channels], rng.make_seed(seed))


def test_categorical_samples_follow_their_probabilities():
    distribution = distributions.Categorical(classes=6)
    logits = np.float32([0.0, 1.0, -1.0, 0.5, -2.0, 2.0])
    noise = uniforms(distribution, 20000)
    for temperature in (1.0, 0.5):
        samples = distribution.sample(np.tile(logits, (20000, 1)), noise, temperature)
        expected = special.softmax(logits.astype(np.float64) / temperature) * 20000
        assert stats.chisquare(np.bincount(samples, minlength=6), expected).pvalue > 1e-3


def test_logistic_samples_follow_their_probabilities():
    distribution = distributions.MixtureOfLogistics(components=2, levels=16)
    params = np.tile(np.float32([0.5, -0.5, -0.9, 0.4, -1.0, -2.0]), (20000, 1))
    samples = distribution.sample(params, uniforms(distribution, 20000)).numpy()
    codes = np.round((samples + 1) * 7.5).astype(int)
    np.testing.assert_allclose(codes / 7.5 - 1, samples, atol=1e-6)
    expected = np.exp(distribution.log_prob(params[:16], levels_of(16)).numpy().astype(np.float64))
    counts = np.bincount(codes, minlength=16)
    assert stats.chisquare(counts, expected / expected.sum() * 20000).pvalue > 1e-3


@pytest.mark.parametrize("top_k", [1, 2, 3, 7])
def test_the_most_likely_codes_are_left(top_k):
    # Ties within and across the border: of equally likely codes the lower ones stay.
    logits = np.array([[0, 3, 1, 3, 1, 1, -2], [5, 5, 5, 5, 5, 5, 5], [1, 2, 3, 4, 5, 6, 7]])
    left = distributions.Categorical(7).most_likely(
        tf.constant(logits, tf.float32), tf.constant(top_k)
    )
    for before, after in zip(logits, left.numpy()):
        inside = np.argsort(-before, kind="stable")[:top_k]
        outside = np.delete(np.arange(7), inside)
        np.testing.assert_array_equal(after[inside], before[inside])
        assert np.all(after[outside] == tf.float32.min)


def nucleus_of(logits, top_p, temperature):
    """The definition, code by code."""
    probabilities = special.softmax(np.float64(logits) / temperature)
    chosen, total = set(), 0.0
    for code in np.argsort(-probabilities):
        if total < top_p:
            chosen.add(int(code))
            total += probabilities[code]
    return chosen


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("top_p", [1e-3, 0.4, 0.9, 1.0])
def test_the_nucleus_is_the_fewest_most_likely_codes(top_p, temperature):
    logits = np.random.default_rng(3).normal(size=(5, 7)).astype(np.float32)
    left = distributions.Categorical(7).nucleus(logits, tf.constant(top_p), temperature).numpy()
    for before, after in zip(logits, left):
        inside = set(np.flatnonzero(after > -1e30).tolist())
        assert inside == nucleus_of(before, top_p, temperature)
        np.testing.assert_array_equal(after[sorted(inside)], before[sorted(inside)])


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_gaussian_samples_follow_their_density(temperature):
    distribution = distributions.MixtureOfGaussians(components=2)
    params = np.tile(np.float32([0.5, -0.5, -0.3, 0.4, -3.0, -2.0]), (20000, 1))
    samples = distribution.sample(params, uniforms(distribution, 20000), temperature).numpy()
    weights = special.softmax(np.array([0.5, -0.5]) / temperature)
    scales = np.exp([-3.0, -2.0]) * temperature

    def cumulative(value):
        return (weights * stats.norm.cdf(value[:, np.newaxis], [-0.3, 0.4], scales)).sum(axis=1)

    assert stats.kstest(samples, cumulative).pvalue > 1e-3
    single = distributions.Gaussian()
    samples = single.sample(params[:, [2, 4]], uniforms(single, 20000), temperature)
    assert stats.kstest(samples, stats.norm(-0.3, scales[0]).cdf).pvalue > 1e-3


@every_distribution
def test_samples_agree_between_eager_and_xla(distribution):
    params = parameters(distribution, shape=(4, 50), scale=2.0)
    noise = tf.reshape(uniforms(distribution, 200), [4, 50, -1])
    eager = distribution.sample(params, noise, 0.9)
    compiled = tf.function(distribution.sample, jit_compile=True)(params, noise, tf.constant(0.9))
    assert eager.shape == (4, 50)
    np.testing.assert_allclose(eager, compiled, atol=3e-5)


@every_distribution
def test_log_prob_agrees_between_eager_and_xla(distribution):
    params = parameters(distribution, shape=(3, 20))
    value = distribution.mode(params)
    compiled = tf.function(distribution.log_prob, jit_compile=True)(params, value)
    assert compiled.shape == (3, 20)
    np.testing.assert_allclose(distribution.log_prob(params, value), compiled, atol=1e-4)


@every_distribution
def test_temperature_zero_is_the_mode(distribution):
    params = parameters(distribution, shape=(30,))
    mode = distribution.mode(params).numpy()
    cold = distribution.sample(params, uniforms(distribution, 30), 0.0)
    np.testing.assert_array_equal(cold, mode)
    if isinstance(distribution, distributions.Categorical):
        expected = params.argmax(axis=-1)
    elif isinstance(distribution, distributions.Gaussian):
        expected = params[:, 0].clip(-1, 1)
    else:
        expected = np.take_along_axis(params[:, 3:6], params[:, :3].argmax(-1)[:, None], 1)[:, 0]
        expected = expected.clip(-1, 1)
    tolerance = 0.5 / 127 if getattr(distribution, "levels", 0) == 256 else 2e-5
    np.testing.assert_allclose(mode, expected, atol=tolerance)


@every_distribution
def test_samples_depend_on_their_own_noise_only(distribution):
    params = parameters(distribution, shape=(6,))
    noise = uniforms(distribution, 6)
    whole = distribution.sample(params, noise).numpy()
    alone = [distribution.sample(params[i], noise[i]).numpy() for i in range(6)]
    np.testing.assert_allclose(whole, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("distribution", "channels", "noise_channels", "discrete"),
    [
        (distributions.Categorical(), 256, 256, True),
        (distributions.MixtureOfLogistics(), 30, 11, True),
        (distributions.Gaussian(), 2, 1, False),
        (distributions.MixtureOfGaussians(components=4), 12, 5, False),
    ],
)
def test_attributes(distribution, channels, noise_channels, discrete):
    assert distribution.channels == channels
    assert distribution.noise_channels == noise_channels
    assert distribution.discrete is discrete


@every_distribution
def test_config_round_trips(distribution):
    config = {"class_name": type(distribution).__name__, "config": distribution.get_config()}
    copy = distributions.get(config)
    assert copy == distribution
    assert hash(copy) == hash(distribution)
    keras_copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(distribution)
    )
    assert keras_copy == distribution
    assert distributions.get(distribution) is distribution
    assert distributions.get(keras.saving.serialize_keras_object(distribution)) == distribution


def test_get_by_name():
    assert distributions.get("Gaussian") == distributions.Gaussian()
    assert distributions.get("Gaussian") != distributions.Gaussian(log_scale_min=-9.0)


def test_get_finds_what_keras_has_registered():
    @keras.saving.register_keras_serializable("test_package")
    class Custom(distributions.Categorical):
        pass

    assert isinstance(distributions.get("test_package>Custom"), Custom)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("Categorial", r"unknown \(did you mean 'Categorical'\?\)"),
        (7, r"must be a Distribution.*Received: distribution=7"),
        ({"config": {}}, r"the keys 'class_name' and 'config'"),
        (
            {"class_name": "Gaussian", "config": {"log_scale_minimum": -7}},
            r"Gaussian has no argument 'log_scale_minimum' \(did you mean 'log_scale_min'\?\)",
        ),
    ],
)
def test_get_rejects(identifier, message):
    with pytest.raises(ValueError, match=message):
        distributions.get(identifier)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Categorical", {"classes": 1}),
        ("Categorical", {"classes": 2.0}),
        ("MixtureOfLogistics", {"components": 0}),
        ("MixtureOfLogistics", {"levels": 1}),
        ("MixtureOfLogistics", {"edge": 0.0}),
        ("MixtureOfLogistics", {"log_scale_min": 1.0}),
        ("MixtureOfGaussians", {"components": True}),
        ("Gaussian", {"log_scale_min": -40.0}),
    ],
)
def test_constructors_reject(name, config):
    key, value = next(iter(config.items()))
    with pytest.raises(ValueError, match=rf"{key} must .*Received: {key}={value}"):
        distributions.get({"class_name": name, "config": config})


@every_distribution
def test_sample_rejects_negative_temperature(distribution):
    params = parameters(distribution)
    with pytest.raises(ValueError, match=r"temperature must be at least 0"):
        distribution.sample(params, uniforms(distribution, 5), -0.1)


@pytest.mark.parametrize("module", ["", ".categorical", ".mixtures"])
def test_examples_in_the_docstrings(module):
    results = doctest.testmod(
        importlib.import_module(f"tfwavenet.distributions{module}"), extraglobs={"tf": tf}
    )
    assert results.attempted >= 1
    assert results.failed == 0


@pytest.mark.parametrize("name", ["Gaussian", "MixtureOfGaussians", "MixtureOfLogistics"])
@pytest.mark.parametrize("value", [None, "a", 0.5, float("nan")])
def test_a_least_scale_that_is_no_number_is_one_sentence(name, value):
    with pytest.raises(ValueError, match=r"log_scale_min must lie in \[-33.0, 0\]. Received: log"):
        getattr(distributions, name)(log_scale_min=value)
