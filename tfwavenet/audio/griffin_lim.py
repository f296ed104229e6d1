"""Griffin-Lim: the baseline vocoder, from the mels that a network is given."""

from __future__ import annotations

import inspect
from typing import Any

import librosa
import numpy as np

from tfwavenet import checks
from tfwavenet.audio import emphasis, spectrogram
from tfwavenet.audio.features import FeatureRecipe


def griffin_lim(
    mel: np.ndarray, recipe: FeatureRecipe, *, iterations: int = 60, seed: int = 0
) -> np.ndarray:
    """Estimates audio from mel features by the fast Griffin-Lim algorithm.

    First the normalization and the compression are undone. The magnitudes are the non-negative
    least-squares solution for the recipe's mel matrix. The phases are found on the recipe's STFT,
    with momentum 0.99. At last the feature pre-emphasis and the gain are undone.

    Args:
        mel: floating [frames, n_mels], as `recipe.mel` gives it.
        recipe: the recipe that the features were made with.
        iterations: int >= 0.
        seed: int >= 0, for the random initial phases; equal seeds give equal audio.

    Returns:
        float32 [frames * hop_samples], aligned with `recipe.to_audio` of the signal that
        `recipe.analyze` gives beside these features. Where the recipe scales the features' audio
        to a peak, the level is that peak.

    Raises:
        ValueError: if the mel has another rank, other bins or no frames, holds NaN or infinity, or
            `iterations` is below 0.

    Source: Perraudin et al., "A fast Griffin-Lim algorithm", WASPAA (2013).
    """
    mel = _checked(mel, recipe)
    checks.whole_number("iterations", iterations, 0)
    # Named "random_state" before librosa 1.0.
    names = inspect.signature(librosa.griffinlim).parameters
    generator: dict[str, Any] = {
        "rng" if "rng" in names else "random_state": np.random.RandomState(seed)
    }
    size = {"n_fft": recipe.n_fft, "hop_samples": recipe.hop_samples}
    padded = librosa.griffinlim(
        linear_magnitude(mel, recipe).T,
        n_iter=iterations,
        hop_length=recipe.hop_samples,
        win_length=recipe.win_samples,
        n_fft=recipe.n_fft,
        window=recipe.analysis_window(),
        center=False,
        momentum=0.99,
        **generator,
    )
    start = spectrogram.padding(recipe.framing, **size)[0] - recipe.signal_offset
    audio = padded[start : start + len(mel) * recipe.hop_samples]
    audio, _ = emphasis.de_emphasis(audio, coefficient=recipe.feature_pre_emphasis)
    return (audio / recipe.gain).astype(np.float32)


def linear_magnitude(mel: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """Computes the STFT magnitudes that explain the mels best, by non-negative least squares.

    Args:
        mel: floating [frames, n_mels], as `recipe.mel` gives it.
        recipe: the recipe that the features were made with.

    Returns:
        float32 [frames, n_fft // 2 + 1].

    Raises:
        ValueError: if the mel has another rank, other bins or no frames, or holds NaN or infinity.
    """
    mel = _checked(mel, recipe)
    linear_mel = recipe.decompress(recipe.denormalize(mel)).numpy()
    powers = librosa.util.nnls(recipe.mel_matrix(), linear_mel.T)
    return (powers.T ** (1.0 / recipe.power)).astype(np.float32)


def _checked(mel: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    mel = np.asarray(mel)
    if mel.ndim != 2 or mel.shape[1] != recipe.n_mels or len(mel) == 0:
        raise ValueError(
            f"mel must have shape [frames > 0, {recipe.n_mels}]. Received: shape={mel.shape}"
        )
    if not np.isfinite(mel).all():
        raise ValueError("mel must be finite. Received: a mel with NaN or infinity")
    return mel
