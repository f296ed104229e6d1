"""Tells features that another recipe must have made from those of a recipe."""

from __future__ import annotations

import math

import numpy as np

from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.recipe_checks import lacks_statistics

# Statistics of fewer frames say little.
_LEAST_FRAMES = 10
# Predicted features overshoot a little; in natural logarithms of a magnitude, 9 dB.
_MARGIN = 1.0
_NATURAL = {"ln": 1.0, "log10": math.log(10.0), "db": math.log(10.0) / 20.0}


def implausible(mel: np.ndarray, recipe: FeatureRecipe) -> str | None:
    """Tells why features cannot be those that a recipe computes.

    The features are undone to magnitudes: these must lie between the recipe's floor and what a
    full-scale tone gives, and not all be above those of full-scale noise. Normalized by statistics,
    they must also have about the mean and the deviation of the training set. Features pass that merely could be the
    recipe's, and those that come in files (`features="given"`).

    Args:
        mel: float [frames, n_mels], finite, as given to `generate`.
        recipe: the model's recipe.

    Returns:
        One clause with what is found and what is expected. If None, nothing is implausible.
    """
    if recipe.features == "given" or lacks_statistics(recipe):
        return None
    checks = (_out_of_range, _out_of_statistics, _out_of_levels)
    return next((found for check in checks if (found := check(mel, recipe))), None)


def _out_of_range(mel: np.ndarray, recipe: FeatureRecipe) -> str | None:
    """Compares the values with the range that the recipe clips them to."""
    if recipe.normalization != "range":
        return None
    low, high = recipe.output_range
    margin = 0.25 * (high - low)
    if mel.min() >= low - margin and mel.max() <= high + margin:
        return None
    return f"values from {mel.min():.3g} to {mel.max():.3g}, expected {low:g} to {high:g}"


def _out_of_statistics(mel: np.ndarray, recipe: FeatureRecipe) -> str | None:
    """Compares mean and deviation with 0 and 1; silence lies some deviations below the mean."""
    if recipe.normalization != "standard" or len(mel) < _LEAST_FRAMES:
        return None
    mean, deviation = float(mel.mean()), float(mel.std())
    if -5.0 <= mean <= 2.5 and deviation <= 4.0:
        return None
    return f"a mean of {mean:.3g} and a deviation of {deviation:.3g}, expected about 0 and 1"


def _out_of_levels(mel: np.ndarray, recipe: FeatureRecipe) -> str | None:
    """Compares the magnitudes with the recipe's floor, the loudest tone and the loudest noise."""
    level = _compressed(mel, recipe)
    scale = _NATURAL[recipe.compression]
    low, high, noise = math.log(recipe.floor), _loudest(recipe), _loudest_noise(recipe)
    unit = recipe.compression
    if level.max() > high + _MARGIN or level.min() < low - _MARGIN:
        values = f"{level.min() / scale:.3g} to {level.max() / scale:.3g}"
        return f"magnitudes of {values} ({unit}), expected {low / scale:.3g} to {high / scale:.3g}"
    if level.min() > noise:
        return (
            f"no magnitude below {level.min() / scale:.3g} ({unit}), expected some below "
            f"{noise / scale:.3g}, which full-scale noise has"
        )
    # A sound in a tenth of the bins has ten times the mean square of noise there, a tone less.
    root_mean_square = 0.5 * np.log(np.mean(np.exp(2.0 * level), axis=1))
    if (loudness := float(np.median(root_mean_square))) > noise + 2.2:
        return (
            f"frames of a mean magnitude of {loudness / scale:.3g} ({unit}), expected below "
            f"{(noise + 2.2) / scale:.3g}"
        )
    return None


def _compressed(mel: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """Returns natural logarithms of the magnitudes, without the clipping of `denormalize`."""
    mel = np.asarray(mel, np.float64)
    if recipe.normalization == "range":
        (low, high), (out_low, out_high) = recipe.input_range, recipe.output_range
        # What the recipe clips says nothing of the true magnitude, up to its margin.
        mel = (np.clip(mel, out_low, out_high) - out_low) * (high - low) / (
            out_high - out_low
        ) + low
        mel = np.maximum(mel, _floor(recipe))
    elif recipe.normalization == "standard":
        mel = mel * np.array(recipe.std) + np.array(recipe.mean)
    return (mel + recipe.reference) * _NATURAL[recipe.compression]


def _floor(recipe: FeatureRecipe) -> float:
    """Returns the smallest compressed value."""
    return math.log(recipe.floor) / _NATURAL[recipe.compression] - recipe.reference


def _loudest(recipe: FeatureRecipe) -> float:
    """Returns the natural logarithm of a mel that no sound in [-1, 1] exceeds."""
    largest = np.abs(recipe.analysis_window()).sum() * recipe.gain
    largest *= 1.0 + recipe.feature_pre_emphasis
    return math.log(recipe.mel_matrix().sum(axis=1).max() * largest**recipe.power)


def _loudest_noise(recipe: FeatureRecipe) -> float:
    """Returns the natural logarithm of a mel that some band falls below in every frame.

    By Parseval's theorem the mean square of a frame's magnitudes is the windowed energy.
    """
    energy = np.sum(recipe.analysis_window() ** 2) * recipe.gain**2
    energy *= (1.0 + recipe.feature_pre_emphasis) ** 2
    matrix = recipe.mel_matrix().sum(axis=1).max()
    return math.log(matrix * math.sqrt(energy + recipe.power_offset) ** recipe.power)
