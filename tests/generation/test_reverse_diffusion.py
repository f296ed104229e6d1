"""Reverse diffusion: chunks, batches, seeds and compilation give the same audio."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import tiny_models
from tests.support.tiny_models import HOP, MELS, mel
from tfwavenet import rng
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.generation import reverse_diffusion
from tfwavenet.generation.reverse_diffusion import compiled_programs
from tfwavenet.models import DiffWave

FAST = [0.02, 0.1, 0.3]
RECIPE = FeatureRecipe(
    sample_rate=8000, n_fft=64, win_samples=64, hop_samples=HOP, n_mels=MELS, framing="same"
)
UPSAMPLERS = {name: tiny_models.UPSAMPLERS[name] for name in ("stretch", "overlapping")}


def tiny(upsampler=None, num_speakers=None, **options):
    keras.utils.set_random_seed(1)
    model = DiffWave(
        num_layers=4,
        dilation_cycle=3,
        residual_channels=6,
        step_channels=8,
        schedule={"steps": 20, "first": 1e-3, "last": 0.3},
        inference_schedule=FAST,
        upsampler=UPSAMPLERS[upsampler]() if upsampler else None,
        local_channels=MELS if upsampler else None,
        num_speakers=num_speakers,
        speaker_channels=3 if num_speakers else None,
        **options,
    )
    model.build()
    tiny_models.stir(model, 0.2)
    return model


def assert_same_audio(one, other):
    np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("prior", ["standard", 2.0, "energy"])
def test_audio_is_what_the_reverse_steps_of_the_whole_network_make(prior):
    model = tiny("stretch", num_speakers=3, prior=prior, recipe=RECIPE)
    features = mel(7)
    padded = np.pad(features, ((1, 1), (0, 0)), mode="edge")[np.newaxis]
    schedule = model.inference_schedule
    steps, factors = model.schedule.align(schedule), schedule.update_coefficients()

    def noise(stream):
        seed = rng.fold_in(rng.make_seed(5), stream)[tf.newaxis]
        return rng.normal_stream(seed, tf.constant(0, tf.int64), 7 * HOP)

    x = noise(3)
    for n in (2, 1, 0):
        batch = {"audio": x, "step": [steps[n]], "mel": padded, "speaker": tf.constant([1])}
        x = factors[n][0] * x + factors[n][1] * model(batch) + factors[n][2] * noise(n)
        x = tf.clip_by_value(x, *{"standard": (-1, 1), 2.0: (-0.5, 0.5)}.get(prior, (-99, 99)))
    level = np.squeeze(model.signal_level(features[np.newaxis]))
    assert level.shape == ((7 * HOP,) if prior == "energy" else ())
    assert prior == "energy" or level == (1 if prior == "standard" else prior)
    expected = np.clip(level * x[0], -1, 1)
    assert_same_audio(model.generate(features, speaker=1, seed=5), expected)


@pytest.mark.parametrize("upsampler", [None, *UPSAMPLERS])
@pytest.mark.parametrize("chunk_samples", [6, 18, 36])
def test_chunks_of_any_size_give_the_same_audio(chunk_samples, upsampler):
    model = tiny(upsampler)
    arguments = {"samples": 42} if upsampler is None else {"mel": mel(7)}
    whole = model.generate(**arguments)
    assert_same_audio(model.generate(**arguments, chunk_samples=chunk_samples), whole)


@pytest.mark.parametrize(("limit", "computed"), [(2**31, 3), (0, 9)])
def test_conditioning_that_is_too_large_to_keep_is_computed_in_every_step(
    limit, computed, monkeypatch
):
    model, windows = tiny("stretch"), []
    whole = model.generate(mel(7), jit_compile=False)
    window_of = reverse_diffusion.window_of
    monkeypatch.setattr(reverse_diffusion, "_KEPT_CONDITIONING_BYTES", limit)
    monkeypatch.setattr(
        reverse_diffusion,
        "window_of",
        lambda *given: windows.append(given) or window_of(*given),
    )
    audio = model.generate(mel(7), chunk_samples=18, jit_compile=False)
    assert len(windows) == computed  # of three chunks, for three steps
    assert_same_audio(audio, whole)


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_an_utterance_alone_equals_itself_in_a_batch(upsampler):
    model = tiny(upsampler, num_speakers=4)
    mels = [mel(frames, frames) for frames in (7, 1, 4)]
    batch = model.generate(mels, speaker=[0, 1, 3], seed=[10, 11, 12])
    for index, features in enumerate(mels):
        alone = model.generate(features, speaker=[0, 1, 3][index], seed=10 + index)
        assert len(alone) == len(features) * HOP
        assert_same_audio(batch[index], alone)


def test_batches_of_similar_lengths_give_the_same_audio():
    model, seen, steps = tiny("stretch", num_speakers=3), [], []
    mels = [mel(frames, frames) for frames in (9, 2, 5, 3, 7)]
    together = model.generate(
        mels,
        speaker=[0, 1, 2, 0, 1],
        seed=4,
        batch_size=2,
        on_chunk=seen.append,
        on_step=lambda done, of: steps.append((done, of)),
    )
    lengths = [[len(one) // HOP for one in chunk] for chunk in seen]
    assert lengths == [[0, 2, 0, 3, 0], [0, 0, 5, 0, 7], [9, 0, 0, 0, 0]]
    assert steps == [(1, 3), (2, 3), (3, 3)] * 3
    for index, features in enumerate(mels):
        alone = model.generate(features, speaker=[0, 1, 2, 0, 1][index], seed=4 + index)
        assert_same_audio(together[index], alone)


def test_xla_and_the_plain_graph_give_the_same_audio():
    model = tiny("stretch")
    compiled = model.generate(mel(7), jit_compile=True)
    assert_same_audio(compiled, model.generate(mel(7), jit_compile=False))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_lengths_of_a_bucket_are_compiled_once(jit_compile):
    model = tiny("stretch")
    for frames in (33, 34, 34):
        model.generate(mel(frames), jit_compile=jit_compile)
    for program in compiled_programs(model, jit_compile):
        assert program.experimental_get_tracing_count() == 1


def test_other_steps_do_not_compile_again():
    model = tiny()
    for schedule in (None, [0.1, 0.2], model.schedule):
        model.generate(samples=40, schedule=schedule, eta=0.5)
    _, reverse_step = compiled_programs(model, jit_compile=False)
    assert reverse_step.experimental_get_tracing_count() == 1


def test_seeds_and_temperature_matter():
    model = tiny()
    first = model.generate(samples=40, seed=1)
    assert np.any(first != model.generate(samples=40, seed=2))
    assert np.all(first == model.generate(samples=40, seed=1))
    silent = model.generate(samples=40, temperature=0.0, seed=1)
    assert np.all(silent == model.generate(samples=40, temperature=0.0, seed=2))


@pytest.mark.parametrize(("eta", "is_same"), [(0.0, True), (1.0, False)])
@pytest.mark.parametrize("seed", [0, 4])
def test_deterministic_sampling_draws_only_the_start(seed, eta, is_same, monkeypatch):
    model, steps = tiny(), len(FAST)
    expected = model.generate(samples=40, eta=eta, seed=seed, jit_compile=False)
    noise_of = reverse_diffusion.noise_of

    def junk_behind_the_start(seeds, stream, position, count):
        noise = noise_of(seeds, stream, position, count)
        return tf.where(tf.equal(stream, steps), noise, 100 - noise)

    monkeypatch.setattr(reverse_diffusion, "noise_of", junk_behind_the_start)
    audio = tiny().generate(samples=40, eta=eta, seed=seed, jit_compile=False)
    assert np.array_equal(audio, expected) == is_same


def test_clipping_can_be_left_out():
    model = tiny()
    model.output_conv.bias.assign([5.0])
    assert np.max(np.abs(model.generate(samples=40))) <= 1
    assert np.max(np.abs(model.generate(samples=40, clip=False))) > 1


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="integer of at least 1. Received: batch_size=0"):
        tiny().generate(samples=20, batch_size=0)


def test_every_step_is_reported():
    steps, chunks = [], []
    tiny().generate(
        samples=20, on_step=lambda done, of: steps.append((done, of)), on_chunk=chunks.append
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert [len(audio) for audio in chunks[0]] == [20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 9, "mel": np.zeros([3, MELS])}, "takes no features. Received: mel"),
        ({}, "integer of at least 1. Received: samples=None"),
        ({"samples": 9, "schedule": [0.5, 0.1]}, "increases from step to step"),
        ({"samples": 9, "schedule": [0.9, 0.99]}, "must not end noisier"),
        ({"samples": 9, "eta": 2.0}, r"eta must be in \[0, 1\]"),
        ({"samples": 9, "temperature": -1.0}, "temperature of 0 or more"),
        ({"samples": 9, "temperature": np.nan}, "temperature of 0 or more"),
        ({"samples": 9, "temperature": np.inf}, "temperature of 0 or more"),
        (
            {"samples": 9, "chunk_samples": 0},
            "integer of at least 1. Received: chunk_samples=0",
        ),
        ({"samples": 9, "speaker": 1}, "knows no speakers. Received: speaker=1"),
    ],
)
def test_bad_arguments_of_an_unconditional_model_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny().generate(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speaker": 0, "samples": 12}, "needs features. Received: mel=None"),
        ({"mel": mel(3), "speaker": 3}, r"speaker numbers in 0 .. 2. Received: speaker=\[3\]"),
        ({"mel": mel(3)}, "needs a speaker. Received: speaker=None"),
        ({"mel": mel(3)[:, :4], "speaker": 0}, r"mel of shape \[frames, 5\].*shape=\(3, 4\)"),
    ],
)
def test_bad_arguments_of_a_conditional_model_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny("stretch", num_speakers=3).generate(**arguments)
