"""Every recipe against an independent computation with librosa, SciPy and NumPy alone.

Each oracle follows the published description of its project step by step and shares nothing with
the package. It returns the network's signal and the mel features, aligned as that project does.
"""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from scipy import signal

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe


def stft(audio, n_fft, hop, win=None, pad_mode="reflect"):
    window = signal.get_window("hann", win or n_fft, fftbins=True)
    found = librosa.stft(
        audio, n_fft=n_fft, hop_length=hop, win_length=win, window=window, pad_mode=pad_mode
    )
    return np.abs(found)


def mel_basis(sample_rate, n_fft, fmin, fmax, n_mels=80, **options):
    return librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, **options
    )


def decibel(mel):
    return 20.0 * np.log10(np.maximum(1e-5, mel))


def emphasized(audio, coefficient):
    return signal.lfilter([1.0, -coefficient], [1.0], audio)


def de_emphasised(audio, coefficient):
    return signal.lfilter([1.0], [1.0, -coefficient], audio)


def fitted(audio, frames, hop):
    """`audio` with zeros behind it, cut to whole frames."""
    return np.pad(audio, (0, max(0, frames * hop - len(audio))))[: frames * hop]


def r9y9(audio, mean, std):
    audio, _ = librosa.effects.trim(audio, top_db=60, frame_length=2048, hop_length=512)
    taps = signal.firwin(255, 70 / (22050 // 2), pass_zero=False)
    audio = signal.lfilter(taps, 1, audio)
    mel = mel_basis(22050, 1024, 125, 7600) @ stft(audio, 1024, 256)
    mel = (np.log10(np.maximum(mel, 1e-10)).T - mean) / std
    return fitted(emphasized(audio * 0.55, 0.85), len(mel), 256), mel


def r9y9_legacy(audio):
    audio = audio / np.abs(audio).max() * 0.999
    position = np.arange(1, 2 * 1024, 2)
    hann = 0.5 * (1 - np.cos(2 * np.pi * position / (2 * 1024)))
    window = np.sqrt(hann * 2 * 256 / 1024)
    padded = np.concatenate([np.zeros(768), audio, np.zeros(768)])
    count = (len(padded) - 1024) // 256 + (1 if len(padded) % 256 == 0 else 2)
    padded = np.pad(padded, (0, (count - 1) * 256 + 1024 - len(padded)))
    frames = np.stack([padded[m * 256 : m * 256 + 1024] * window for m in range(count)])
    mel = np.abs(np.fft.rfft(frames)) @ mel_basis(22050, 1024, 125, 7600).T
    mel = np.clip((decibel(mel) - 20 + 100) / 100, 0, 1)
    return fitted(np.pad(audio, (768, 0)), count, 256), mel


def tacotron2(audio, sample_rate, n_fft, hop, fmax):
    padded = np.pad(audio, n_fft // 2, mode="reflect")
    window = signal.get_window("hann", n_fft, fftbins=True)
    frames = librosa.util.frame(padded, frame_length=n_fft, hop_length=hop).T * window
    mel = np.abs(np.fft.rfft(frames)) @ mel_basis(sample_rate, n_fft, 0.0, fmax).T
    mel = np.log(np.maximum(mel, 1e-5))
    return fitted(audio, len(mel), hop), mel


def codejin(audio):
    audio = emphasized(audio, 0.97)
    audio = librosa.effects.trim(audio, top_db=60, frame_length=32, hop_length=16)[0] * 0.99
    audio = de_emphasised(audio, 0.97)
    mel = mel_basis(16000, 1024, 0, 8000) @ stft(emphasized(audio, 0.97), 1024, 256)
    mel = np.clip(8 * (decibel(mel).T + 100) / 100 - 4, -4, 4)
    return fitted(audio, len(mel), 256), mel


def lmnt(audio):
    audio = np.clip(audio, -1, 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    padded = np.pad(audio, 512, mode="reflect")
    frames = librosa.util.frame(padded, frame_length=1024, hop_length=256).T * window
    linear = np.abs(np.fft.rfft(frames)) / np.sqrt((window**2).sum())
    corner_mels = np.linspace(*(2595 * np.log10(1 + np.array([20, 11025]) / 700)), 82)
    corners = 700 * (10 ** (corner_mels / 2595) - 1)
    bins = np.linspace(0, 22050 // 2, 513)[:, None]
    rise = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    fall = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    mel = linear @ np.maximum(0, np.minimum(rise, fall))
    mel = np.clip((decibel(mel) - 20 + 100) / 100, 0, 1)
    return fitted(audio, len(mel), 256), mel


def revsic(audio):
    audio = audio * 32768 / 32767
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    padded = np.pad(audio, (512, 511), mode="reflect")
    frames = librosa.util.frame(padded, frame_length=1024, hop_length=256).T * window
    mel = np.abs(np.fft.rfft(frames)) @ mel_basis(22050, 1024, 0, 8000).T
    return fitted(audio, len(mel), 256), np.log(np.maximum(mel, 1e-5))


def rayhane(audio):
    audio, _ = librosa.effects.trim(audio, top_db=40, frame_length=2048, hop_length=512)
    features = emphasized(audio, 0.97)
    audio = audio / np.abs(audio).max() * 0.999
    features = features / np.abs(features).max() * 0.999
    power = stft(features, 2048, 275, 1100, pad_mode="constant") ** 2
    mel = decibel(mel_basis(22050, 2048, 55, 7600) @ power).T - 20
    mel = np.clip(8 * (mel + 100) / 100 - 4, -4, 4)
    return fitted(audio, len(mel), 275), np.interp(mel, (-4, 4), (0, 1))


def hifigan(audio):
    """jik876/hifi-gan meldataset.py, mel_spectrogram: torch.stft without centering."""
    padded = np.pad(audio, (1024 - 256) // 2, mode="reflect")
    window = signal.get_window("hann", 1024, fftbins=True)
    frames = librosa.util.frame(padded, frame_length=1024, hop_length=256).T * window
    spectrum = np.fft.rfft(frames)
    linear = np.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
    mel = np.log(np.maximum(linear @ mel_basis(22050, 1024, 0, 8000).T, 1e-5))
    return fitted(audio, len(mel), 256), mel


def parallel_wavegan(audio, mean, std, top_db=None):
    """kan-bayashi/ParallelWaveGAN preprocess.py and normalize.py, with librosa throughout."""
    if top_db is not None:
        audio, _ = librosa.effects.trim(audio, top_db=top_db, frame_length=2048, hop_length=512)
    mel = mel_basis(22050, 1024, 80, 7600) @ stft(audio, 1024, 256)
    mel = (np.log10(np.maximum(1e-10, mel)).T - mean) / std
    return fitted(audio, len(mel), 256), mel


def speech(audio, sample_rate, n_fft, *, hop, win, n_mels, loudest=20):
    whole = fitted(audio, -(-len(audio) // hop), hop)
    left = (n_fft - hop) // 2
    padded = np.pad(whole, (left, n_fft - hop - left))
    window = signal.get_window("hann", win, fftbins=True)
    inside = (n_fft - win) // 2
    frames = librosa.util.frame(padded, frame_length=n_fft, hop_length=hop).T
    frames = frames[:, inside : inside + win] * window
    linear = np.abs(np.fft.rfft(frames, n=n_fft))
    mel = linear @ mel_basis(sample_rate, n_fft, 0, sample_rate / 2, n_mels).T
    mel = np.clip((decibel(mel) + 100) / (loudest + 100), 0, 1)
    return fitted(emphasized(audio * 0.54, 0.85), len(mel), hop), mel


MEAN, STD = np.linspace(-3, -1, 80), np.linspace(0.5, 2, 80)
ORACLES = {
    "r9y9": lambda audio: r9y9(audio, MEAN, STD),
    "r9y9_legacy": r9y9_legacy,
    "nv_wavenet": lambda audio: tacotron2(audio, 16000, 800, 200, None),
    "codejin": codejin,
    "lmnt": lmnt,
    "tacotron2": lambda audio: tacotron2(audio, 22050, 1024, 256, 8000.0),
    "hifigan": hifigan,
    "parallel_wavegan": lambda audio: parallel_wavegan(audio, MEAN, STD),
    "tensorflowtts": lambda audio: parallel_wavegan(audio, MEAN, STD, top_db=60),
    "philsyn": lambda audio: tacotron2(audio, 22050, 1024, 256, 8000.0),
    "revsic": revsic,
    "rayhane": rayhane,
    "speech_8k": lambda audio: speech(audio, 8000, 512, hop=80, win=400, n_mels=40),
    "speech_16k": lambda audio: speech(audio, 16000, 1024, hop=160, win=800, n_mels=80),
    "speech_22k": lambda audio: speech(audio, 22050, 1024, hop=256, win=1024, n_mels=80),
    "audio_44k": lambda audio: speech(
        audio, 44100, 2048, hop=512, win=2048, n_mels=128, loudest=30
    ),
    "audio_48k": lambda audio: speech(
        audio, 48000, 2048, hop=480, win=2048, n_mels=128, loudest=30
    ),
}


def ready(name) -> FeatureRecipe:
    recipe = recipes.get(name)
    return recipe.with_statistics(MEAN, STD) if recipe.normalization == "standard" else recipe


def test_every_recipe_has_an_oracle():
    assert sorted(ORACLES) == sorted(recipes.RECIPES)


@pytest.mark.parametrize("name", sorted(ORACLES))
# A whole number of hops of 256, one sample more, an odd length, and shorter than most windows.
@pytest.mark.parametrize("samples", [256 * 40, 256 * 40 + 1, 11111, 1500])
@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")
def test_signal_and_mel_equal_the_oracle(name, samples, voice):
    recipe = ready(name)
    audio = voice(recipe.sample_rate, seconds=samples / recipe.sample_rate)[:samples]
    found_signal, found_mel = recipe.analyze(audio)
    expected_signal, expected_mel = ORACLES[name](audio.astype(np.float64))
    assert found_signal.shape == expected_signal.shape
    assert found_mel.shape == expected_mel.shape
    assert len(found_signal) == len(found_mel) * recipe.hop_samples
    np.testing.assert_allclose(found_signal, expected_signal, atol=2e-6)
    np.testing.assert_allclose(found_mel, expected_mel, atol=2e-5 * np.ptp(expected_mel))


# The recipes that need nothing beside librosa's own framing.
@pytest.mark.parametrize("name", ["lmnt", "nv_wavenet", "philsyn", "r9y9"])
def test_mel_equals_librosa_in_float32(name, voice):
    # librosa given float32 audio computes in float32, as the projects do: its own rounding shows
    # in bins that are quiet beside loud ones, so compare the linear mels to the loudest.
    recipe = ready(name)
    prepared = recipe.prepare_audio(voice(recipe.sample_rate)).astype(np.float32)
    linear = stft(prepared, recipe.n_fft, recipe.hop_samples, recipe.win_samples)
    linear = linear * (recipe.analysis_window()[1] / (np.sin(np.pi / recipe.win_samples) ** 2))
    theirs = (recipe.mel_matrix() @ linear).T
    ours = recipe.decompress(recipe.compressed_mel(prepared)).numpy()
    np.testing.assert_allclose(ours, np.maximum(theirs, recipe.floor), atol=3e-6 * theirs.max())


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_signal_becomes_the_recording_again(name, voice):
    recipe = ready(name)
    prepared = recipe.prepare_audio(voice(recipe.sample_rate))
    found_signal, _ = recipe.analyze(voice(recipe.sample_rate))
    audio, _ = recipe.to_audio(found_signal)
    start = recipe.signal_offset
    if recipe.framing == "whole":  # an incomplete hop at the end is cut
        prepared = prepared[: len(prepared) // recipe.hop_samples * recipe.hop_samples]
    np.testing.assert_allclose(
        audio[start : start + len(prepared)], prepared / recipe.gain, atol=3e-6
    )


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_recipes_survive_their_config(name):
    recipe = recipes.RECIPES[name]
    again = recipes.get(recipe.get_config())
    assert again == recipe and hash(again) == hash(recipe)
    assert again.fingerprint() == recipe.fingerprint()
    assert recipes.get(name) is recipe and recipes.get(recipe) is recipe


def test_fingerprints_differ():
    found = {recipe.fingerprint() for recipe in recipes.RECIPES.values()}
    assert len(found) == len(set(recipes.RECIPES.values()))


@pytest.mark.parametrize(
    ("name", "scales"),
    [("speech_8k", 80), ("speech_16k", 160), ("audio_44k", 512), ("audio_48k", 480)],
)
def test_hops_factor_into_small_scales(name, scales):
    hop = recipes.get(name).hop_samples
    assert hop == scales
    for prime in (2, 3, 5):
        while hop % prime == 0:
            hop //= prime
    assert hop == 1


def test_speech_mels_lie_in_the_unit_range(voice):
    for name in ("speech_8k", "speech_16k", "speech_22k", "audio_44k", "audio_48k"):
        recipe = recipes.get(name)
        loud = voice(recipe.sample_rate)
        mel = recipe.mel(loud / np.abs(loud).max()).numpy()
        assert 0.0 <= mel.min() < 0.4 and 0.8 < mel.max() < 1.0


def test_base_changes_single_fields():
    recipe = recipes.get({"base": "speech_8k", "pre_emphasis": 0.0, "signal_gain": 1})
    assert recipe.pre_emphasis == 0.0 and recipe.signal_gain == 1.0
    assert recipe.hop_samples == recipes.get("speech_8k").hop_samples


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("speech_9k", r"did you mean 'speech_8k'\?\). Received: recipe='speech_9k'"),
        ({"base": "lmtn"}, r"did you mean 'lmnt'\?\). Received: recipe='lmtn'"),
        ({"hop_sample": 3}, r"did you mean 'hop_samples'\?\). Received: hop_sample=3"),
        (17, "Received: recipe=17"),
        (None, "Received: recipe=None"),
    ],
)
def test_unknown_recipes(identifier, message):
    with pytest.raises(ValueError, match=message):
        recipes.get(identifier)


# What the first version computed, which called the framing "centre": stored beside checkpoints.
FINGERPRINTS = {
    "codejin": "a854de6b6b4eaa75",
    "lmnt": "dbcb99ef3bb20dec",
    "nv_wavenet": "bdd6ed6a918fc1e3",
    "philsyn": "5a1fc133376d73f2",
    "r9y9": "6656bb504d1ba463",  # with the statistics of `ready`
    "r9y9_legacy": "94f522a29f8eb897",
    "rayhane": "8a3ab2867b12b259",
    "revsic": "9498a09291f68e08",
    "speech_16k": "c70cf3a0e6aec030",
    "speech_22k": "d38dcfc571aa6a20",
    "speech_8k": "73223848d4c89486",
}


def test_fingerprints_are_those_of_the_first_version():
    assert {name: ready(name).fingerprint() for name in FINGERPRINTS} == FINGERPRINTS


@pytest.mark.parametrize("fields", [{}, {"base": "philsyn"}])
def test_the_first_spelling_of_a_centered_frame_is_read(fields):
    old, new = (recipes.get({**fields, "framing": name}) for name in ("centre", "center"))
    assert old == new and old.get_config()["framing"] == "center"
