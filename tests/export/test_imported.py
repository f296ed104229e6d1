"""Networks of other projects are served as our own are: every importer's, every signature."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import checkpoints
from tests.support.checkpoints import FILES
from tests.support.clips import voice
from tests.support.shared import golden
from tfwavenet import export_saved_model, interop

pytestmark = pytest.mark.slow

FRAMES = 5
GIVEN = {"seed": [5, 6], "temperature": 0.9}
NV_WAVENET = {"max_dilation": 2, "upsamp_stride": 2}
# Where each checkpoint is, or how it is written into a folder, and what no file beside it tells.
SOURCES = {
    **{f"r9y9_{kind}": (f"r9y9_{kind}.pth", None) for kind in ("mulaw", "mol", "gaussian")},
    "r9y9_legacy": ("r9y9_legacy.pth", None),
    "lmnt_conditional": ("lmnt_conditional.pt", None),
    "lmnt_unconditional": ("lmnt_unconditional.pt", None),
    "nv_wavenet": ("nv_wavenet_state.pt", None),
    "nv_wavenet_run": (FILES / "nv_wavenet_run.zip.pt", NV_WAVENET),
    "codejin": ("codejin", None),
    "philsyn_vocoder": (FILES / "philsyn_vocoder.pkl", checkpoints.philsyn_config()),
    "philsyn_unconditional": (FILES / "philsyn_unconditional.pkl", checkpoints.philsyn_config()),
    "ibab": (lambda f: checkpoints.write_ibab(f, checkpoints.ibab_variables(True, None)), None),
    "ibab_speakers": (
        lambda f: checkpoints.write_ibab(f, checkpoints.ibab_variables(False, 3)),
        None,
    ),
    "revsic": (
        lambda f: checkpoints.write_revsic(f, checkpoints.revsic_variables()),
        checkpoints.REVSIC_PARAMETERS,
    ),
}


def imported(name, folder):
    """The network of a checkpoint."""
    source, hyperparameters = SOURCES[name]
    if callable(source):
        source = source(folder)
    elif isinstance(source, str):
        source = golden(source)
    return interop.load(source, hyperparameters=hyperparameters).model


def conditions(model):
    """What begins two utterances of a network."""
    top_p = {"top_p": 0.8} if model.codec.num_codes else {}
    return {**GIVEN, **top_p, **({"speaker": [2, 1]} if model.speaker_channels else {})}


def source_of(model):
    """What sets the length of two utterances of a network."""
    if model.upsampler is None:
        return {"samples": 40}
    return {"mel": checkpoints.noise(2, FRAMES, model.local_channels)}


def called(signature, **inputs):
    """The outputs of a loaded signature, whose inputs get its types."""
    specs = signature.structured_input_signature[1]
    assert set(specs) == set(inputs)
    tensors = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
    return signature(**tensors)


def streamed(signatures, model, source, given):
    """The audio of a stream that gets its source in two parts."""
    state, parts = called(signatures["stream_start"], **given)["state_bytes"], []
    pieces = [{"samples": 15}, {"samples": 25}]
    if "mel" in source:
        mel = source["mel"]
        pieces = [{"mel": mel[:, :2], "is_last": False}, {"mel": mel[:, 2:], "is_last": True}]
    for piece in pieces:
        outputs = called(signatures["stream_step"], state_bytes=state, **piece)
        state = outputs["state_bytes"]
        parts.append(outputs["audio"])
    return np.concatenate(parts, axis=1)


def recordings(recipe):
    """Two voices, a little longer than the recipe asks for."""
    samples = recipe.least_samples + 2 * recipe.hop_samples
    seconds = (samples + 1) / recipe.sample_rate
    pitches = (120.0, 160.0)
    rows = [voice(seconds, sample_rate=recipe.sample_rate, f0_hz=pitch) for pitch in pitches]
    return np.stack(rows)[:, :samples]


@pytest.mark.parametrize("name", SOURCES)
def test_every_signature_gives_what_generate_gives(name, tmp_path):
    model = imported(name, tmp_path)
    hop = 1 if model.upsampler is None else model.upsampler.hop_samples
    chunk = {"chunk_samples": 16 if hop == 1 else 3 * hop}
    folder = export_saved_model(model, tmp_path / "served", **chunk)
    signatures = tf.saved_model.load(str(folder)).signatures
    given, source = conditions(model), source_of(model)

    def generated(**source):
        return model.generate(**source, **given, **chunk, jit_compile=False)

    def assert_same(audio, expected):
        # Mixtures of logistics have 16-bit levels: rounding may end at the next one.
        np.testing.assert_allclose(audio, expected, rtol=0, atol=1.1 * 2**-15)

    audio, expected = called(signatures["serving_default"], **source, **given), generated(**source)
    assert np.std(expected) > 0
    assert_same(audio["audio"], expected)
    if "stream_start" in signatures:
        assert_same(streamed(signatures, model, source, given), expected)
    if "stream_prompt" in signatures:
        prompt = np.tanh(checkpoints.noise(2, 30))
        state = called(signatures["stream_prompt"], prompt=prompt, **given)
        audio = called(signatures["stream_step"], **state, samples=40)["audio"]
        assert_same(audio, generated(samples=40, prompt=prompt))
    if "vocode" in signatures:
        audio = recordings(model.recipe)
        mel = np.stack([model.recipe.analyze(row)[1] for row in audio])
        assert_same(called(signatures["vocode"], audio=audio, **given)["audio"], generated(mel=mel))
