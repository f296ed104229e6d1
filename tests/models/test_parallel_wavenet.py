"""The parallel student: its flows, its chunks, and what it learns from a teacher."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.tiny_models import MELS, UPSAMPLERS, mel, stir
from tfwavenet import rng
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.models import ParallelWaveNet, WaveNet

SPECTRA = ((64, 16, 64), (32, 8, 32))
SIZES = {
    "dilation_cycle": 2,
    "residual_channels": 6,
    "gate_channels": 8,
    "skip_channels": 7,
    "kernel_size": 2,
}


def student(upsampler=None, num_speakers=None, **options):
    keras.utils.set_random_seed(1)
    model = ParallelWaveNet(
        **{"flow_layers": (2, 3), "spectral_resolutions": SPECTRA, **SIZES, **options},
        upsampler=UPSAMPLERS[upsampler]() if upsampler else None,
        local_channels=MELS if upsampler else None,
        num_speakers=num_speakers,
        speaker_channels=3 if num_speakers else None,
    )
    model.build()
    stir(model, 0.2)
    return model


def teacher(distribution="Gaussian", upsampler=None, num_speakers=None, **options):
    keras.utils.set_random_seed(2)
    model = WaveNet(
        **{"num_layers": 3, "speaker_channels": 3 if num_speakers else None, **SIZES, **options},
        distribution=distribution,
        upsampler=UPSAMPLERS[upsampler]() if upsampler else None,
        local_channels=MELS if upsampler else None,
        num_speakers=num_speakers,
    )
    model.build()
    return model


def samples_of(model, noise):
    mean, log_scale = tf.unstack(model({"noise": noise}), axis=-1)
    return mean + tf.exp(log_scale) * noise


@pytest.mark.parametrize("initial", [0.0, -4.0])
def test_a_fresh_student_makes_white_noise_of_its_initial_scale(initial):
    keras.utils.set_random_seed(1)
    model = ParallelWaveNet(flow_layers=(2, 3), initial_log_scale=initial, **SIZES)
    model.build()
    noise = rng.normal([1, 4000], rng.make_seed(3))
    ratio = samples_of(model, noise) / np.exp(initial) - noise
    assert np.std(ratio) < 0.15


def test_change_of_variables_equals_a_numerical_jacobian():
    """Samples against noise by central differences: triangular, with the scales on its diagonal."""
    model, count, width = student(), 9, 1e-2
    noise = rng.normal([1, count], rng.make_seed(3))
    steps = width * tf.eye(count)
    jacobian = (samples_of(model, noise + steps) - samples_of(model, noise - steps)) / (2 * width)
    jacobian = tf.transpose(jacobian).numpy().astype(np.float64)
    np.testing.assert_array_equal(np.triu(jacobian, 1), 0)
    log_scale = model({"noise": noise})[0, :, 1].numpy()
    np.testing.assert_allclose(np.diag(jacobian), np.exp(log_scale), rtol=1e-3)
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(log_scale.sum(), abs=1e-3)
    assert np.abs(np.tril(jacobian, -1)).max() > 1e-3


def test_mean_and_scale_depend_on_the_noise_before_alone():
    model = student()
    noise = rng.normal([1, 40], rng.make_seed(3)).numpy()
    expected = model({"noise": tf.constant(noise)}).numpy()
    noise[0, 20:] = np.nan
    params = model({"noise": tf.constant(noise)}).numpy()
    np.testing.assert_array_equal(params[0, :21], expected[0, :21])
    assert np.isnan(params[0, 21:]).all()


def test_receptive_field_is_exact():
    model = student()
    field = model.receptive_field
    noise = rng.normal([1, field + 5], rng.make_seed(3)).numpy()
    expected = model({"noise": tf.constant(noise)}).numpy()
    noise[0, 0] += 1.0
    changed = np.any(model({"noise": tf.constant(noise)}).numpy() != expected, axis=-1)[0]
    assert changed[field]
    assert not changed[field + 1 :].any()


@pytest.mark.parametrize(
    ("upsampler", "jit_compile"),
    [("stretch", False), ("stretch", True), ("uncut", False), ("overlapping", False)],
)
def test_chunks_and_streams_give_the_audio_of_the_whole(upsampler, jit_compile):
    model = student(upsampler, num_speakers=3)
    given = {"speaker": 2, "seed": 7, "jit_compile": jit_compile}
    features = mel(31)
    whole = model.generate(features, **given)
    np.testing.assert_allclose(
        model.generate(features, chunk_samples=30, **given), whole, atol=1e-6
    )
    stream = model.stream(chunk_samples=24, **given)
    parts = [stream.push(part) for part in np.array_split(features, 6)]
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), whole, atol=1e-6)


@pytest.mark.parametrize("noise", ["gaussian", "logistic"])
def test_audio_is_what_call_says_of_the_noise(noise):
    """The noise of an utterance, drawn as the samples of other models are, through `call`."""
    model = student(noise=noise)
    seeds = rng.make_seed(5)[tf.newaxis]
    if noise == "gaussian":
        drawn = rng.normal_stream(seeds, tf.constant(0, tf.int64), 50)
    else:
        uniform = rng.uniform_stream(seeds, tf.constant(0, tf.int64), 50, 1)[..., 0]
        drawn = tf.math.log(uniform / (1 - uniform))
    expected = np.clip(samples_of(model, 0.5 * drawn), -1, 1)
    actual = model.generate(samples=50, seed=5, temperature=0.5)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_utterances_of_a_batch_equal_those_alone():
    model = student("stretch", num_speakers=3)
    features = [mel(length, seed=length) for length in (5, 40, 17, 9)]
    together = model.generate(
        features, speaker=[0, 1, 2, 0], seed=[4, 5, 6, 7], batch_size=2, chunk_samples=60
    )
    for index, one in enumerate(features):
        alone = model.generate(one, speaker=[0, 1, 2, 0][index], seed=4 + index)
        np.testing.assert_allclose(together[index], alone, atol=1e-6)


def test_a_stream_goes_on_in_a_file(tmp_path):
    model, features = student("stretch"), mel(30)
    stream = model.stream(seed=3, chunk_samples=24)
    first = stream.push(features[:13])
    stream.save(tmp_path / "stream.npz")
    resumed = model.load_stream(tmp_path / "stream.npz")
    for each in (stream, resumed):
        rest = np.concatenate([each.push(features[13:]), each.finish()])
        audio = np.concatenate([first, rest])
        np.testing.assert_allclose(audio, model.generate(features, seed=3), atol=1e-6)


@pytest.mark.parametrize("noise", ["gaussian", "logistic"])
def test_student_of_a_constant_teacher_recovers_it(noise):
    """Every sample of the teacher has the same mean and scale, whatever came before."""
    family = "Gaussian" if noise == "gaussian" else "MixtureOfLogistics"
    model, constant = student(noise=noise, spectral_weight=0.0), teacher(family)
    for weight in constant.head[1].weights:
        weight.assign(tf.zeros_like(weight))
    bias = constant.head[1].layer.bias
    components = bias.shape[0] // 3 or 1
    mean_and_scale = np.repeat([0.3, -2.0], components)
    bias.assign(np.concatenate([np.zeros(bias.shape[0] - 2 * components), mean_and_scale]))
    model.set_teacher(constant)
    model.compile(keras.optimizers.Adam(1e-2))
    data = tf.data.Dataset.from_tensors({"audio": tf.zeros([4, 100])}).repeat(250)
    before = model.evaluate(data.take(1), return_dict=True, verbose=0)["divergence"]
    model.fit(data, verbose=0)
    after = model.evaluate(data.take(1), return_dict=True, verbose=0)["divergence"]
    assert before > 1
    assert abs(after) < 0.05  # that of logistics is estimated from a few thousand draws
    mean, log_scale = np.mean(model({"noise": tf.zeros([4, 100])}), axis=(0, 1))
    assert mean == pytest.approx(0.3, abs=0.02)
    assert log_scale == pytest.approx(-2.0, abs=0.05)


def test_teacher_is_frozen_and_no_part_of_the_student():
    model, wise = student(), teacher()
    count = len(model.weights)
    model.set_teacher(wise)
    assert len(model.weights) == count
    before = wise.get_weights()
    model.compile(keras.optimizers.Adam(1e-2))
    data = tf.data.Dataset.from_tensors({"audio": tf.random.stateless_normal([2, 90], [1, 2]) / 9})
    history = model.fit(data.repeat(3), verbose=0).history
    assert set(history) == {"loss", "divergence", "spectral"}
    for old, new in zip(before, wise.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_loss_is_divergence_and_weighted_spectral_distance():
    model = student(spectral_weight=0.7)
    model.set_teacher(teacher())
    model.compile(keras.optimizers.Adam(0.0))
    batch = {"audio": rng.normal([2, 90], rng.make_seed(1)) / 9}
    logs = model.test_on_batch(batch, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["divergence"] + 0.7 * logs["spectral"], rel=1e-5)
    assert model.test_on_batch(batch, return_dict=True) == logs


def test_masked_samples_are_silent_for_the_spectra():
    model = student()
    model.set_teacher(teacher())
    audio = np.zeros([1, 200], np.float32)
    audio[0, :120] = np.sin(np.arange(120) / 3) / 2
    mask = tf.constant(np.arange(200)[np.newaxis] < 120)
    model.compile(keras.optimizers.Adam(0.0))
    masked = model.test_on_batch({"audio": audio, "mask": mask}, return_dict=True)
    assert masked["spectral"] < model.test_on_batch({"audio": audio}, return_dict=True)["spectral"]


def test_contrast_is_the_divergence_under_the_conditions_of_another():
    """With equal conditions it takes all of the divergence away, with others it does not."""
    model = student("stretch", contrastive_weight=1.0, spectral_weight=0.0)
    model.set_teacher(teacher(upsampler="stretch"))
    audio, features = rng.normal([2, 60], rng.make_seed(1)) / 9, [mel(12, seed=i) for i in (0, 1)]
    equal = {"audio": audio, "mel": tf.constant(np.stack(features[:1] * 2))}
    np.testing.assert_allclose(model.sample_loss(equal, True), 0, atol=1e-4)
    assert np.abs(model.sample_loss(equal, False)).max() > 1e-3
    different = {"audio": audio, "mel": tf.constant(np.stack(features))}
    assert np.abs(model.sample_loss(different, True)).max() > 1e-3


def test_an_utterance_alone_has_no_contrast():
    model = student(contrastive_weight=1.0)
    model.set_teacher(teacher())
    batch = {"audio": rng.normal([1, 60], rng.make_seed(1)) / 9}
    actual = model.sample_loss(batch, True)
    model.contrastive_weight = 0.0
    np.testing.assert_array_equal(actual, model.sample_loss(batch, True))


RECIPE = FeatureRecipe(
    sample_rate=8000, n_fft=64, win_samples=64, hop_samples=6, n_mels=MELS, framing="same"
)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({}, {"distribution": "MixtureOfLogistics"}, "predicts a Gaussian. Received: Mixture"),
        ({"noise": "logistic"}, {}, "predicts a MixtureOfLogistics. Received: Gaussian"),
        ({}, {"distribution": "Categorical"}, "predicts a Gaussian. Received: Categorical"),
        ({"upsampler": "stretch"}, {}, "hop_samples=6. Received: a teacher with hop_samples=None"),
        ({"upsampler": "stretch"}, {"upsampler": "cut"}, "padding_frames=1. Received"),
        (
            {"num_speakers": 2},
            {"num_speakers": 3},
            "num_speakers=2. Received: a teacher with num_speakers=3",
        ),
        ({"num_speakers": 2}, {}, "num_speakers=2. Received: a teacher with num_speakers=None"),
        ({}, {"speaker_channels": 3}, "speaker_channels=None. Received: a teacher with speaker_c"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        student(**ours).set_teacher(teacher(**theirs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 16000}, "recipe sample_rate=8000. Received: a teacher with recipe"),
        ({"fmin_hz": 50.0}, "recipe fmin_hz=0.0. Received: a teacher with recipe fmin_hz=50.0"),
    ],
)
def test_a_teacher_of_another_recipe_is_refused(change, message):
    model = student("stretch", recipe=RECIPE)
    other = FeatureRecipe.from_config({**RECIPE.get_config(), **change})
    with pytest.raises(ValueError, match=message):
        model.set_teacher(teacher(upsampler="stretch", recipe=other))


def test_a_teacher_without_the_recipe_is_refused():
    model = student("stretch", recipe=RECIPE)
    with pytest.raises(ValueError, match="recipe sample_rate=8000. Received: a teacher with recip"):
        model.set_teacher(teacher(upsampler="stretch"))


def test_a_student_without_teacher_says_so():
    model = student()
    model.compile(keras.optimizers.Adam(1e-3))
    with pytest.raises(ValueError, match="needs `set_teacher` before this"):
        model.train_on_batch({"audio": tf.zeros([1, 90])})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "uniform"}, "Received: noise='uniform'"),
        ({"flow_layers": ()}, "flows=0"),
        ({"flow_layers": (3, 0)}, "flow_layers=0"),
        ({"cross_entropy_draws": 0}, "cross_entropy_draws=0"),
        ({"spectral_weight": -1.0}, "spectral_weight=-1.0"),
        ({"contrastive_weight": float("nan")}, "contrastive_weight=nan"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        student(**options)
