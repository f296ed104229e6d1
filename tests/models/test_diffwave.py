"""DiffWave: its loss, its draws, and what it refuses. The network itself: see the goldens."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.clips import voice
from tfwavenet.audio import level, recipes
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import DiffWave


def tiny(**options):
    keras.utils.set_random_seed(1)
    sizes = {"num_layers": 2, "dilation_cycle": 2, "residual_channels": 4, "step_channels": 8}
    model = DiffWave(**{**sizes, **options})
    model.build()
    return model


def audio(samples=400, batch=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (batch, samples)).astype(np.float32)


@pytest.mark.parametrize(("norm", "mean"), [("l1", np.sqrt(2 / np.pi)), ("l2", 1.0)])
def test_a_fresh_network_predicts_no_noise(norm, mean):
    """Its last layer is zero, so that the loss is the mean size of normal noise."""
    loss = tiny(loss_norm=norm).sample_loss({"audio": tf.constant(audio(40_000))}, True)
    assert loss.shape == (2, 40_000)
    assert np.mean(loss) == pytest.approx(mean, rel=0.02)


def test_every_update_draws_anew_and_the_test_repeats():
    model = tiny()
    model.compile(keras.optimizers.Adam(0.0))
    batch = {"audio": tf.constant(audio())}

    def loss(step, audio):
        model.reset_metrics()
        return float(np.mean(step({"audio": audio})))

    losses = [loss(model.train_on_batch, batch["audio"]) for _ in range(2)]
    assert losses[0] != losses[1]
    tests = [loss(model.test_on_batch, batch["audio"]) for _ in range(2)]
    assert tests[0] == tests[1]
    assert tests[0] != loss(model.test_on_batch, batch["audio"] / 2)


def test_masked_samples_do_not_count_nor_matter():
    model = tiny()
    for index, weight in enumerate(model.trainable_weights):
        weight.assign_add(tf.fill(weight.shape, 0.01 * (index + 1)))
    short = audio()[:, :300]
    batch = {
        "audio": tf.constant(np.pad(short, ((0, 0), (0, 100)))),
        "mask": tf.constant(np.tile(np.arange(400) < 300, (2, 1))),
        "step": tf.constant([3, 40]),
    }
    alone = model({"audio": tf.constant(short), "step": batch["step"]})
    np.testing.assert_allclose(model(batch)[:, :300], alone, rtol=1e-5, atol=1e-6)


def test_training_learns_to_remove_noise():
    model = tiny(residual_channels=16)
    model.compile(keras.optimizers.Adam(5e-3))
    tone = np.sin(2 * np.pi * np.arange(256) / 16).astype(np.float32)
    data = tf.data.Dataset.from_tensors({"audio": tf.constant(np.tile(tone, (8, 1)))}).repeat(150)
    history = model.fit(data, epochs=2, verbose=0).history["loss"]
    assert history[1] < 0.65 * np.sqrt(2 / np.pi)


def vocoder(**options):
    upsampler = StretchUpsampler((8, 10), padding_frames=2, input_context=True)
    return tiny(upsampler=upsampler, recipe="speech_8k", **options)


def test_the_level_of_the_prior_runs_through_that_of_the_frames():
    model, recipe = vocoder(prior="energy"), recipes.get("speech_8k")
    mel = recipe.analyze(0.3 * audio(4000, 1)[0])[1][np.newaxis]
    rms, found = level.signal_rms(mel, recipe).numpy()[0], model.signal_level(mel).numpy()[0]
    assert found.shape == (mel.shape[1] * recipe.hop_samples,)
    # The middle of a frame of 80 samples is between its 40th and 41st.
    centers = np.arange(40, len(found), 80)
    np.testing.assert_allclose((found[centers - 1] + found[centers]) / 2, rms, rtol=2e-2)
    quiet = model.signal_level(recipe.mel(np.zeros([1, 4000], np.float32))).numpy()
    np.testing.assert_allclose(quiet, 2e-3, rtol=1e-6)


def test_of_loud_and_quiet_speech_a_prior_of_its_energy_makes_the_same_problem(monkeypatch):
    """What the network sees is the signal over its level: the gain of a recording is gone."""
    model, recipe, seen = vocoder(prior="energy"), recipes.get("speech_8k"), []
    monkeypatch.setattr(model.schedule.__class__, "diffuse", lambda _, x, noise, steps: x)
    call = lambda _, x, *args: seen.append(x) or x  # noqa: E731
    monkeypatch.setattr(type(model.network), "__call__", call, raising=False)
    for gain in (1.0, 0.3):
        signal, mel = recipe.analyze(gain * voice(1.0))
        batch = {"audio": signal[np.newaxis, 800:4800], "mel": mel[np.newaxis, 8:62]}
        model.sample_loss({name: tf.constant(x) for name, x in batch.items()}, training=False)
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-2)
    assert np.std(seen[0]) == pytest.approx(1, rel=0.4)


def test_a_prior_of_the_level_of_the_signal_makes_the_same_problem_of_a_quiet_one():
    losses = []
    for prior in (1.0, 0.125):
        batch = {"audio": tf.constant(prior * audio(800))}
        losses.append(tiny(prior=prior).sample_loss(batch, training=True).numpy())
    np.testing.assert_array_equal(losses[1], losses[0])


def test_a_prior_of_energy_wants_features():
    with pytest.raises(ValueError, match='Expected a batch with "mel"'):
        vocoder(prior="energy").sample_loss({"audio": tf.constant(audio(800))}, training=True)


def test_receptive_field_is_what_an_impulse_reaches():
    model = tiny(num_layers=3, dilation_cycle=3)
    for weight in model.trainable_weights:
        weight.assign((0.2 if weight.shape.rank > 1 else 0.0) * tf.ones_like(weight))
    for block in model.blocks:  # whose step would saturate the gates
        block.step_projection.kernel.assign(tf.zeros_like(block.step_projection.kernel))
    quiet = np.zeros([1, 101], np.float32)
    impulse = quiet.copy()
    impulse[0, 50] = 1.0
    given = [{"audio": tf.constant(x), "step": tf.constant([0])} for x in (quiet, impulse)]
    changed = np.flatnonzero(np.abs(model(given[1]) - model(given[0]))[0] > 0)
    assert (changed[0], changed[-1]) == (50 - model.network.reach, 50 + model.network.reach)
    assert model.receptive_field == 2 * model.network.reach + 1 == 2 * (1 + 2 + 4) + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "`num_layers` must be a positive integer. Received: num_layers=0"),
        ({"dilation_cycle": 0}, "`dilation_cycle` must be a positive integer"),
        ({"kernel_size": 2}, "`kernel_size` must be odd. Received: kernel_size=2"),
        ({"loss_norm": "l3"}, "`loss_norm` must be one of .* Received: loss_norm='l3'"),
        ({"prior": "mel"}, "`prior` must be one of .* or a positive number. Received: prior='mel'"),
        ({"prior": 0.0}, "`prior` must be one of .* or a positive number. Received: prior=0.0"),
        ({"prior": "energy"}, "takes an `upsampler` and a `recipe`. Received: upsampler=None"),
        (
            {"prior": "energy", "upsampler": StretchUpsampler((4,)), "local_channels": 5},
            "takes an `upsampler` and a `recipe`. Received: recipe=None",
        ),
        ({"step_order": "up"}, "`order` must be one of .* Received: order='up'"),
        ({"schedule": []}, "needs at least one step"),
        ({"inference_schedule": [0.9, 0.99]}, "must not end noisier"),
        ({"upsampler": StretchUpsampler((4, 4))}, "needs `local_channels` or a `recipe`"),
        (
            {"upsampler": StretchUpsampler((4, 4)), "recipe": "speech_8k"},
            r"multiply to the recipe's hop of 80 samples. Received: scales=\(4, 4\)",
        ),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({}, 'Expected a batch with "mel"'),
        ({"mel": np.zeros([2, 25, 4], np.float32)}, r"shape \[batch, frames, 5\]"),
        ({"mel": np.zeros([2, 24, 5], np.float32)}, "for the 400 samples .* 384 samples' worth"),
    ],
)
def test_features_that_do_not_fit_are_refused(batch, message):
    model = tiny(upsampler=StretchUpsampler((4, 4)), local_channels=5)
    with pytest.raises(ValueError, match=message):
        model({"audio": tf.constant(audio()), "step": tf.constant([0, 1]), **batch})


def test_a_stored_inference_schedule_is_checked_and_kept():
    model = tiny()
    model.inference_schedule = [1e-4, 1e-2, 0.3]
    assert type(model).from_config(model.get_config()).inference_schedule.betas == (1e-4, 1e-2, 0.3)
    with pytest.raises(ValueError, match="must not begin cleaner"):
        model.inference_schedule = [1e-6, 0.3]
    assert model.inference_schedule.betas == (1e-4, 1e-2, 0.3)


def test_a_number_of_steps_in_place_of_a_schedule():
    model = tiny()
    steps = []
    options = {"samples": 300, "seed": 3, "num_inference_steps": 4}
    found = model.generate(**options, on_step=lambda done, of: steps.append((done, of)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    expected = model.generate(samples=300, seed=3, schedule=model.schedule.shortened(4))
    np.testing.assert_array_equal(found, expected)
    model.inference_schedule = [1e-4, 1e-2, 0.1, 0.3]  # found by a search for as many steps
    found = model.generate(**options)
    np.testing.assert_array_equal(found, model.generate(samples=300, seed=3))
    with pytest.raises(ValueError, match="exclude each other"):
        model.generate(**options, schedule=[1e-4, 0.3])
    with pytest.raises(ValueError, match="an integer from 1 to 50. Received: steps=51"):
        model.generate(samples=300, num_inference_steps=51)


def test_decode_is_another_name_of_generate():
    model = tiny(upsampler=StretchUpsampler(scales=(4, 5)), local_channels=3)
    mel = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    found = model.decode(mel, seed=2, num_inference_steps=2)
    np.testing.assert_array_equal(found, model.generate(mel, seed=2, num_inference_steps=2))
