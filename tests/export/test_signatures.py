"""Signatures give the audio of the model's own methods, for any length and batch."""

from __future__ import annotations

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.export.bad_requests import bad_requests, found_by_the_graph
from tests.support import served, tiny_models
from tests.support.served import (
    HOP,
    KINDS,
    LIMITS,
    RECIPE,
    STREAMED,
    assert_same_audio,
)
from tfwavenet import FeatureRecipe
from tfwavenet.export.signatures import signatures_of

VOCODERS = ("vocoder", "diffwave")


@pytest.mark.parametrize("kind", KINDS)
# Chunks are of 3 frames: below, at and above one; a batch of one and a full one.
@pytest.mark.parametrize(("frames", "batch"), [(1, 1), (3, 4), (7, 2), (30, 1)])
def test_serving_default_equals_generate(kind, frames, batch):
    given = {**served.source(kind, frames, batch), **served.conditions(kind, batch)}
    audio = served.call(kind, "serving_default", **given)["audio"]
    assert audio.shape == (batch, frames * HOP)
    assert_same_audio(audio, served.generated(kind, given))


@pytest.mark.parametrize("kind", VOCODERS)
def test_seeds_are_those_of_the_package(kind):
    given = {**served.source(kind, 3, 3), **served.conditions(kind, 3)}
    given["seed"] = [-1, 2**40 + 3, -(2**63)]
    audio = served.call(kind, "serving_default", **given)["audio"]
    assert_same_audio(audio, served.generated(kind, given))


@pytest.mark.parametrize("kind", VOCODERS)
@pytest.mark.parametrize("samples", [RECIPE.least_samples, 500, 512])
def test_vocode_analyses_as_the_recipe_does(kind, samples):
    recordings = served.recordings(samples)
    mel = np.stack([RECIPE.analyze(audio)[1] for audio in recordings])
    given = served.conditions(kind)
    audio = served.call(kind, "vocode", audio=recordings, **given)["audio"]
    assert_same_audio(audio, served.generated(kind, {"mel": mel, **given}))


def test_vocode_leaves_silent_ends_in():
    given, recordings = served.conditions("vocoder"), served.recordings(600)
    recordings[:, :200] = 0
    model = served.network("vocoder")
    expected = served.call("vocoder", "vocode", audio=recordings, **given)
    model.recipe = dataclasses.replace(RECIPE, trim_top_db=20.0)
    try:
        made = signatures_of(model, chunk_samples=48, limits=LIMITS, jit_compile=False)["vocode"]
    finally:
        model.recipe = RECIPE
    inputs = served.typed(made, {"audio": recordings, **given})
    assert_same_audio(made.function(*inputs.values())["audio"], expected["audio"])


def streamed(kind, cuts, frames=11, batch=2):
    """The audio of a stream whose source comes in pieces, which end at `cuts`."""
    bounds = [0, *cuts, frames]
    given = served.conditions(kind, batch)
    state = served.call(kind, "stream_start", **given)["state_bytes"]
    for first, last in zip(bounds, bounds[1:]):
        if served.network(kind).upsampler is None:
            piece = {"samples": (last - first) * HOP}
        else:
            piece = {"mel": served.mel(frames, batch)[:, first:last], "is_last": last == frames}
        outputs = served.call(kind, "stream_step", state_bytes=state, **piece)
        state = outputs["state_bytes"]
        yield outputs["audio"]


@pytest.mark.parametrize("kind", STREAMED)
@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 9]])
def test_a_stream_in_pieces_equals_generate(kind, cuts):
    audio = np.concatenate(list(streamed(kind, cuts)), axis=1)
    given = {**served.source(kind, 11), **served.conditions(kind)}
    assert_same_audio(audio, served.generated(kind, given))


# Codes, and samples that show what is missing of a receptive field of 9.
@pytest.mark.parametrize(
    ("distribution", "options"), [("Categorical", {"top_p": 0.8}), ("Gaussian", {})]
)
@pytest.mark.parametrize("prompted", [1, 5, 9, 17, 400])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_stream_goes_on_from_a_recording(distribution, options, prompted, jit_compile):
    model = tiny_models.tiny(distribution, num_speakers=3)
    made = signatures_of(model, chunk_samples=served.CHUNK, limits=LIMITS, jit_compile=jit_compile)
    prompt = np.random.default_rng(prompted).uniform(-1, 1, [2, prompted]).astype(np.float32)
    given = {"prompt": prompt, "speaker": [2, 1], "seed": [5, 6], "temperature": 0.9, **options}
    inputs = served.typed(made["stream_prompt"], given)
    state, parts = made["stream_prompt"].function(*inputs.values())["state_bytes"], []
    for samples in (20, 50):
        outputs = made["stream_step"].function(state, samples)
        state = outputs["state_bytes"]
        parts.append(outputs["audio"])
    expected = model.generate(samples=70, **given, jit_compile=False)
    assert_same_audio(np.concatenate(parts, axis=1), expected)


def test_audio_comes_as_soon_as_its_look_ahead_is_there():
    ahead = served.network("vocoder").stream(speaker=0).look_ahead_frames
    lengths = [audio.shape[1] // HOP for audio in streamed("vocoder", range(1, 11))]
    assert lengths == [*[0] * ahead, *[1] * (10 - ahead), 1 + ahead]


@pytest.mark.parametrize("kind", ["vocoder", "vectors"])
def test_a_step_without_frames_changes_nothing(kind):
    audio = np.concatenate(list(streamed(kind, [0, 0, 4, 4])), axis=1)
    given = {**served.source(kind, 11), **served.conditions(kind)}
    assert_same_audio(audio, served.generated(kind, given))


def test_the_state_keeps_its_size():
    sizes = set()
    state = served.call("vocoder", "stream_start", **served.conditions("vocoder"))["state_bytes"]
    for frames in (1, 5, 30):
        given = {"mel": served.mel(frames), "is_last": False, "state_bytes": state}
        state = served.call("vocoder", "stream_step", **given)["state_bytes"]
        sizes.add(len(state))
    assert len(sizes) == 1


@pytest.mark.parametrize("kind", VOCODERS)
def test_the_recipe_is_a_signature(kind):
    text = served.call(kind, "recipe")["recipe"]
    assert FeatureRecipe.from_config(json.loads(text)) == RECIPE


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("vocoder", ["serving_default", "vocode", "stream_start", "stream_step", "recipe"]),
        ("codes", ["serving_default", "stream_start", "stream_step", "stream_prompt"]),
        ("vectors", ["serving_default", "stream_start", "stream_step"]),
        ("diffwave", ["serving_default", "vocode", "recipe"]),
        ("noise", ["serving_default"]),
    ],
)
def test_a_model_has_the_signatures_that_it_can_fulfil(kind, names):
    assert list(served.signatures(kind)) == names


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_matters(kind):
    given = {**served.source(kind, 3), **served.conditions(kind)}
    cold, warm = (
        served.call(kind, "serving_default", **{**given, "temperature": t})["audio"]
        for t in (0.0, 1.0)
    )
    assert np.any(cold != warm)


@pytest.mark.parametrize("top_p", [1e-6, 0.5, 1.0])
def test_only_the_nucleus_is_drawn_from(top_p):
    given = {**served.source("codes", 5), **served.conditions("codes"), "top_p": top_p}
    audio = served.call("codes", "serving_default", **given)["audio"]
    asked = {**given, "seed": list(given["seed"])}
    assert_same_audio(audio, served.generated("codes", asked))


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused_in_a_sentence(kind):
    found = found_by_the_graph(bad_requests(kind, served.begun(kind), [b"0" * 50]))
    assert len(found) > 25
    for name, inputs, message in found:
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            served.call(kind, name, **inputs)
        assert message in str(caught.value), name


def test_a_stream_in_half_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = served.KINDS["codes"]()
    model.build()
    made = signatures_of(model, chunk_samples=48, limits=LIMITS, jit_compile=False)
    start = served.typed(made["stream_start"], served.conditions("codes"))
    state, parts = made["stream_start"].function(*start.values())["state_bytes"], []
    for samples in (20, 50):
        outputs = made["stream_step"].function(state, samples)
        state = outputs["state_bytes"]
        parts.append(outputs["audio"])
    stream = model.stream(batch_size=2, seed=5, temperature=0.9, top_p=0.8, jit_compile=False)
    assert_same_audio(np.concatenate(parts, axis=1), stream.pull(70))


@pytest.mark.parametrize("kind", KINDS)
def test_what_xla_compiles_gives_the_same_audio(kind):
    made = signatures_of(
        served.network(kind), chunk_samples=served.CHUNK, limits=LIMITS, jit_compile=True
    )
    given = {**served.source(kind, 7), **served.conditions(kind)}
    inputs = served.typed(made["serving_default"], given)
    audio = made["serving_default"].function(*inputs.values())["audio"]
    assert_same_audio(audio, served.call(kind, "serving_default", **given)["audio"])
