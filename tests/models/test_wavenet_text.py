"""WaveNet over characters: the same network, with text in and out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.texts import ALPHABET, text_network
from tfwavenet import export_saved_model
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import DiffWave
from tfwavenet.text import REPLACEMENT, TextRecipe


@pytest.fixture(scope="module")
def model():
    return text_network()


def greedy(model, prompt, characters):
    """The most likely continuation by the parallel network, one whole pass per character."""
    codes = model.recipe.encode(prompt)
    is_drawn = model.recipe.is_drawn()
    for _ in range(characters):
        past = np.concatenate([[0], codes]).astype(np.int32)
        logits = model({"audio": past[np.newaxis]}).numpy()[0, -1]
        codes = np.append(codes, np.argmax(np.where(is_drawn, logits, -np.inf)))
    return model.recipe.decode(codes[len(codes) - characters :])


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a",
        "hello wor",
        ALPHABET[:12],
        (ALPHABET + " ") * 5,
        "Ünknown e\N{COMBINING ACUTE ACCENT}",
    ],
    ids=["empty", "one", "short", "receptive-field", "longer", "unknown"],
)
def test_text_continues_a_prompt_of_any_length(model, prompt):
    written = model.generate_text(prompt, num_characters=20, temperature=0.0, jit_compile=False)
    assert written == greedy(model, prompt, 20)


def test_only_the_receptive_field_counts(model):
    # The first layer sees one character, four blocks with two taps 1 + 2 + 4 + 1 before it.
    assert model.receptive_field == 9
    end = "of which the end counts"
    one, other = (
        model.generate_text(start + end, num_characters=30, seed=3, jit_compile=False)
        for start in ("first text ", "other text ")
    )
    assert one == other


def test_equal_seeds_give_equal_text_in_pieces_and_whole(model):
    pieces = []
    whole = model.generate_text("ab", num_characters=50, seed=5, temperature=1.5)
    text = model.generate_text(
        "ab", num_characters=50, seed=5, temperature=1.5, chunk_characters=7, on_text=pieces.append
    )
    assert len(pieces) == 8
    assert "".join(pieces) == text == whole
    assert model.generate_text("ab", num_characters=50, seed=6, temperature=1.5) != whole


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.0}, {"top_k": 30}, {"top_p": 0.99}])
def test_unknown_characters_are_never_written(sampling):
    model = text_network(characters="ab")
    bias = model.head[-1].layer.bias
    bias.assign(tf.where(tf.range(32) == 0, 50.0, bias) + tf.where(tf.range(32) > 2, 40.0, 0.0))
    text = model.generate_text("x", num_characters=60, jit_compile=False, **sampling)
    assert set(text) <= {"a", "b"}
    assert REPLACEMENT not in text


def test_streams_hold_codes(model):
    stream = model.stream(seed=2, chunk_samples=16)
    codes = np.concatenate([stream.pull(10), stream.pull(30)])
    assert codes.dtype == np.int32
    assert model.recipe.decode(codes) == model.generate_text(num_characters=40, seed=2)


def test_saved_with_the_model(model, tmp_path):
    model.save(tmp_path / "text.keras")
    loaded = keras.models.load_model(tmp_path / "text.keras")
    assert loaded.recipe == model.recipe
    texts = {
        one.generate_text("ab", num_characters=20, jit_compile=False) for one in (model, loaded)
    }
    assert len(texts) == 1


def test_the_likelihood_is_that_of_the_codes(model):
    codes = model.recipe.encode("what follows?")
    logits = model({"audio": np.append(0, codes[:-1])[np.newaxis].astype(np.int32)}).numpy()[0]
    logits = logits.astype(np.float64)
    chosen = logits[np.arange(len(codes)), codes]
    expected = np.log(np.exp(logits).sum(axis=1)) - chosen
    np.testing.assert_allclose(model.nll({"audio": codes[np.newaxis]})[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distribution": "Gaussian"}, "Categorical distribution with the 32 classes.*Gaussian"),
        ({"distribution": "Categorical"}, "with the 32 classes.*Received: .*classes=256"),
        ({"upsampler": StretchUpsampler((2,))}, "takes no acoustic features.*StretchUpsampler"),
    ],
)
def test_what_does_not_fit_text_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        text_network(**options)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.generate(samples=3, prompt=np.zeros(5)), "codes of a text as prompt.*float64"),
        (
            lambda m: m.generate(samples=3, prompt=[[1, 40]]),
            "codes from 0 to 31. Received: 1 to 40",
        ),
        (lambda m: m.generate(np.zeros([3, 4])), "takes no features. Received: mel"),
        (lambda m: m.generate(samples=30, fold_frames=5), "cannot be folded.*fold_frames=5"),
        (lambda m: m.generate_text(num_characters=0), "integer of at least 1"),
        (lambda m: m.nll({"audio": tf.zeros([1, 5])}), "codes of a text. Received: dtype=float32"),
    ],
)
def test_what_is_no_text_is_refused(model, use, message):
    with pytest.raises(ValueError, match=message):
        use(model)


def test_text_needs_a_text_recipe():
    with pytest.raises(ValueError, match="network with a text recipe. Received: recipe=None"):
        text_network(recipe=None).generate_text()


def test_diffusion_is_for_audio():
    with pytest.raises(ValueError, match="works on audio only. Received: a text recipe"):
        DiffWave(recipe=TextRecipe())


def test_export_is_for_audio(model, tmp_path):
    with pytest.raises(ValueError, match="has no text. Received: a model with a text recipe"):
        export_saved_model(model, tmp_path)
    assert not list(tmp_path.iterdir())
