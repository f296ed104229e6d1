"""Recipes by name: features of published vocoders and text-to-mel models, our own, and text.

The figures were read from the projects named; `tests/audio/test_recipes.py` checks every one
against an independent computation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Union

from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.checks import nearest_name
from tfwavenet.text import TextRecipe

Recipe = Union[FeatureRecipe, TextRecipe]

_SPEECH = FeatureRecipe(
    framing="same",
    pad_mode="constant",
    compression="db",
    normalization="range",
    input_range=(-100.0, 20.0),
    signal_gain=0.54,
    pre_emphasis=0.85,
)
# A full-scale tone in a window of 2048 samples reaches 28 dB.
_AUDIO = dataclasses.replace(_SPEECH, n_mels=128, input_range=(-100.0, 30.0))

RECIPES: dict[str, FeatureRecipe] = {
    # Ours. One frame per hop of 10 to 12 ms, centered on its block; the whole band; mels in [0, 1];
    # the signal pre-emphasized, which lowers the audible noise of quantization and of sampling, at
    # a gain (0.54 * 1.85 < 1) that cannot clip. Windows of 46 to 50 ms resolve the harmonics of
    # speech. At 8 kHz 40 mels keep about the density of 80 mels at 22 kHz; with 80 the mel would
    # be nearly the spectrum itself.
    "speech_8k": dataclasses.replace(
        _SPEECH, sample_rate=8000, n_fft=512, win_samples=400, hop_samples=80, n_mels=40
    ),
    "speech_16k": dataclasses.replace(
        _SPEECH, sample_rate=16000, n_fft=1024, win_samples=800, hop_samples=160
    ),
    "speech_22k": dataclasses.replace(
        _SPEECH, sample_rate=22050, n_fft=1024, win_samples=1024, hop_samples=256
    ),
    # The same for 44.1 and 48 kHz, for music too: 128 mels up to half the rate.
    "audio_44k": dataclasses.replace(
        _AUDIO, sample_rate=44100, n_fft=2048, win_samples=2048, hop_samples=512
    ),
    "audio_48k": dataclasses.replace(
        _AUDIO, sample_rate=48000, n_fft=2048, win_samples=2048, hop_samples=480
    ),
    # Mels as text-to-mel models predict them. NVIDIA/tacotron2 layers.py, stft.py; FastSpeech 2 of
    # ming024 and WaveGlow take the same.
    "tacotron2": FeatureRecipe(fmax_hz=8000.0),
    # jik876/hifi-gan meldataset.py: frames are centered on the blocks of a hop.
    "hifigan": FeatureRecipe(framing="whole", power_offset=1e-9, fmax_hz=8000.0),
    # kan-bayashi/ParallelWaveGAN bin/preprocess.py, LJ Speech; ESPnet's text-to-mel models for it.
    "parallel_wavegan": FeatureRecipe(
        fmin_hz=80.0, fmax_hz=7600.0, compression="log10", floor=1e-10, normalization="standard"
    ),
    # TensorSpeech/TensorFlowTTS bin/preprocess.py, LJ Speech: the same of trimmed recordings.
    "tensorflowtts": FeatureRecipe(
        fmin_hz=80.0,
        fmax_hz=7600.0,
        compression="log10",
        floor=1e-10,
        normalization="standard",
        trim_top_db=60.0,
    ),
    # r9y9/wavenet_vocoder v0.2: audio.py, datasets/wavallin.py, egs/*/conf. The statistics come
    # from the training set (`meanvar.joblib` in a published model).
    "r9y9": FeatureRecipe(
        fmin_hz=125.0,
        fmax_hz=7600.0,
        compression="log10",
        floor=1e-10,
        normalization="standard",
        trim_top_db=60.0,
        high_pass_hz=70.0,
        signal_gain=0.55,
        pre_emphasis=0.85,
        overflow="error",
        mulaw_rounding="truncate",
    ),
    # r9y9/wavenet_vocoder up to v0.1.x: audio.py, ljspeech.py; the STFT is `lws.lws(1024, 256,
    # mode="speech")` of lws 1.2, whose default window and padding are reproduced exactly.
    "r9y9_legacy": FeatureRecipe(
        window="lws",
        framing="full",
        pad_mode="constant",
        fmin_hz=125.0,
        fmax_hz=7600.0,
        compression="db",
        reference=20.0,
        normalization="range",
        peak=0.999,
        mulaw_rounding="truncate",
    ),
    # NVIDIA/nv-wavenet pytorch/: tacotron2's STFT as it was then, with no upper limit given.
    "nv_wavenet": FeatureRecipe(sample_rate=16000, n_fft=800, win_samples=800, hop_samples=200),
    # CODEJIN/WaveNet: Pattern_Generator.py, Audio.py.
    "codejin": FeatureRecipe(
        sample_rate=16000,
        fmax_hz=8000.0,
        compression="db",
        normalization="range",
        output_range=(-4.0, 4.0),
        feature_pre_emphasis=0.97,
        trim_top_db=60.0,
        trim_frame_samples=32,
        trim_hop_samples=16,
        trim_pre_emphasis=0.97,
        gain=0.99,
    ),
    # lmnt-com/diffwave preprocess.py: torchaudio's MelSpectrogram(power=1, normalized=True).
    "lmnt": FeatureRecipe(
        window_scaling="energy",
        fmin_hz=20.0,
        fmax_hz=11025.0,
        mel_scale="htk",
        mel_norm="none",
        compression="db",
        reference=20.0,
        normalization="range",
    ),
    # philsyn/DiffWave-Vocoder mel2samp.py: tacotron2's STFT.
    "philsyn": FeatureRecipe(fmax_hz=8000.0),
    # revsic/tf-diffwave: tf.signal, reflection of 512 and 511 samples, samples over 32767.
    "revsic": FeatureRecipe(framing="exact", fmax_hz=8000.0, gain=32768.0 / 32767.0),
    # Rayhane-mamah/Tacotron-2 datasets/audio.py, datasets/wavenet_preprocessor.py: mels of +-4
    # mapped to [0, 1] for its WaveNet.
    "rayhane": FeatureRecipe(
        n_fft=2048,
        win_samples=1100,
        hop_samples=275,
        pad_mode="constant",
        power=2.0,
        fmin_hz=55.0,
        fmax_hz=7600.0,
        compression="db",
        reference=20.0,
        normalization="range",
        feature_pre_emphasis=0.97,
        feature_peak=0.999,
        trim_top_db=40.0,
        peak=0.999,
        mulaw_rounding="truncate",
    ),
}


_NAMED: dict[str, Recipe] = {**RECIPES, TextRecipe.kind: TextRecipe()}


def of_any_kind(identifier: str | Mapping[str, Any] | Recipe) -> Recipe:
    """Returns the recipe that a name, a mapping or a recipe stands for.

    Args:
        identifier: a key of `RECIPES`, or "text"; or a mapping of fields, as `get_config` of a
            recipe gives; or a recipe. With `"base": name` a mapping changes single fields of a
            named recipe.

    Raises:
        ValueError: if a name or field is unknown (the message names the nearest), or a value is
            out of range.

    Examples:
        >>> of_any_kind({"base": "text", "classes": 128}).classes
        128
    """
    if isinstance(identifier, (FeatureRecipe, TextRecipe)):
        return identifier
    if isinstance(identifier, str):
        return _named(identifier)
    if not isinstance(identifier, Mapping):
        raise ValueError(
            "a feature recipe is given by its name or a mapping of its fields. "
            f"Received: recipe={identifier!r}"
        )
    fields = dict(identifier)
    base = fields.pop("base", None)
    if base is not None:
        fields = {**_named(base).get_config(), **fields}
    kind = TextRecipe if fields.get("kind") == TextRecipe.kind else FeatureRecipe
    return kind.from_config(fields)


def get(identifier: str | Mapping[str, Any] | Recipe) -> FeatureRecipe:
    """Returns the feature recipe that a name, a mapping or a recipe stands for.

    Args:
        identifier: see `of_any_kind`.

    Raises:
        ValueError: if `of_any_kind` raises it, or the recipe is a text recipe.

    Examples:
        >>> get({"base": "speech_8k", "pre_emphasis": 0.0}).hop_samples
        80
    """
    recipe = of_any_kind(identifier)
    if not isinstance(recipe, FeatureRecipe):
        raise ValueError(
            "a feature recipe is expected, as this works on audio only. Received: a text recipe"
        )
    return recipe


def _named(name: str) -> Recipe:
    if not isinstance(name, str) or name not in _NAMED:
        raise ValueError(
            f"recipe must be one of {sorted(_NAMED)}{nearest_name(name, _NAMED)}. "
            f"Received: recipe={name!r}"
        )
    return _NAMED[name]
