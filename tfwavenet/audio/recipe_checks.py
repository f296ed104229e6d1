"""Checks the fields of a feature recipe; each mistake gives an error of one sentence."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tfwavenet.audio import mulaw, signal_chain, spectrogram
from tfwavenet.checks import whole_number

if TYPE_CHECKING:
    from tfwavenet.audio.features import FeatureRecipe

Features = Literal["mel", "given"]
Compression = Literal["ln", "log10", "db"]
Normalization = Literal["none", "range", "standard"]
WindowScaling = Literal["none", "energy"]

_CHOICES = {
    "features": get_args(Features),
    "window": get_args(spectrogram.Window),
    "framing": get_args(spectrogram.Framing),
    "pad_mode": get_args(spectrogram.PadMode),
    "window_scaling": get_args(WindowScaling),
    "mel_scale": get_args(spectrogram.MelScale),
    "mel_norm": get_args(spectrogram.MelNorm),
    "compression": get_args(Compression),
    "normalization": get_args(Normalization),
    "overflow": get_args(signal_chain.Overflow),
    "mulaw_rounding": get_args(mulaw.Rounding),
}
# Largest values: far beyond any recording's, and small enough that the mel matrix is no attack.
_COUNTS = {
    "sample_rate": 1_536_000,
    "n_fft": 2**16,
    "hop_samples": 2**16,
    "win_samples": 2**16,
    "n_mels": 1024,
    "trim_frame_samples": 2**24,
    "trim_hop_samples": 2**24,
}
_POSITIVE = ("power", "floor", "gain", "signal_gain")
_POSITIVE_OR_NONE = ("feature_peak", "trim_top_db", "peak", "high_pass_hz")
_COEFFICIENTS = ("feature_pre_emphasis", "trim_pre_emphasis", "pre_emphasis")


def check_recipe(recipe: FeatureRecipe) -> None:
    """Raises ValueError for the first field of `recipe` that is out of its range."""
    _check_choices(recipe)
    _check_numbers(recipe)
    _check_transform(recipe)
    _check_band(recipe)
    _check_ranges(recipe)
    _check_statistics(recipe)


def lacks_statistics(recipe: FeatureRecipe) -> bool:
    """Tells whether a recipe normalizes by statistics that it does not have yet."""
    return recipe.normalization == "standard" and (recipe.mean is None or recipe.std is None)


def _as_float(value: object) -> object:
    """Returns a number as a float; anything else as it is, for the checks to name."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    try:
        return float(value) if is_number else value  # type: ignore[arg-type]
    except OverflowError:
        return value


def plain_value(field: dataclasses.Field[Any], value: object) -> object:
    """Returns a value as the int, float or tuple that the field's type asks for."""
    kind = str(field.type)
    if value is None or isinstance(value, (bool, str)):
        return value
    if kind.startswith("tuple") and isinstance(value, (list, tuple, np.ndarray)):
        return tuple(map(_as_float, value))
    if kind.startswith("float"):
        return _as_float(value)
    if kind == "int" and isinstance(value, (int, np.integer)):
        return int(value)
    return value


def _fail(name: str, expected: str, value: object) -> None:
    raise ValueError(f"{name} of a feature recipe must be {expected}. Received: {name}={value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _check_choices(recipe: FeatureRecipe) -> None:
    for name, choices in _CHOICES.items():
        if getattr(recipe, name) not in choices:
            _fail(name, f"one of {choices}", getattr(recipe, name))


def _check_numbers(recipe: FeatureRecipe) -> None:
    for name, most in _COUNTS.items():
        whole_number(name, getattr(recipe, name), 1, most)
    for name in _POSITIVE + _POSITIVE_OR_NONE:
        value = getattr(recipe, name)
        if value is None and name in _POSITIVE_OR_NONE:
            continue
        if not _is_number(value) or value <= 0.0:
            _fail(name, "a finite number > 0", value)
    for name in _COEFFICIENTS:
        value = getattr(recipe, name)
        if not _is_number(value) or not 0.0 <= value < 1.0:
            _fail(name, "a number in [0, 1)", value)
    if not _is_number(recipe.power_offset) or recipe.power_offset < 0.0:
        _fail("power_offset", "a finite number >= 0", recipe.power_offset)
    if not _is_number(recipe.reference):
        _fail("reference", "a finite number", recipe.reference)


def _check_transform(recipe: FeatureRecipe) -> None:
    if recipe.n_fft % 2:
        _fail("n_fft", "even", recipe.n_fft)
    if recipe.win_samples > recipe.n_fft:
        _fail("win_samples", f"at most n_fft={recipe.n_fft}", recipe.win_samples)
    if recipe.hop_samples > recipe.win_samples:
        _fail("hop_samples", f"at most win_samples={recipe.win_samples}", recipe.hop_samples)
    if recipe.framing == "full" and recipe.n_fft % recipe.hop_samples:
        _fail("hop_samples", f"a divisor of n_fft={recipe.n_fft}", recipe.hop_samples)
    if recipe.peak is not None and recipe.peak > 1.0:
        _fail("peak", "at most 1", recipe.peak)
    if recipe.high_pass_hz is not None and recipe.high_pass_hz >= recipe.sample_rate // 2:
        _fail("high_pass_hz", "below half the sample rate", recipe.high_pass_hz)


def _check_band(recipe: FeatureRecipe) -> None:
    nyquist = recipe.sample_rate / 2
    fmax_hz = nyquist if recipe.fmax_hz is None else recipe.fmax_hz
    if not _is_number(fmax_hz) or not 0.0 < fmax_hz <= nyquist:
        _fail("fmax_hz", f"in (0, {nyquist}], half the sample rate", recipe.fmax_hz)
    if not _is_number(recipe.fmin_hz) or not 0.0 <= recipe.fmin_hz < fmax_hz:
        _fail("fmin_hz", f"in [0, {fmax_hz}), below fmax_hz", recipe.fmin_hz)
    if recipe.features == "given":
        return
    empty = np.flatnonzero(~recipe.mel_matrix().any(axis=1))
    if empty.size:
        expected = (
            f"small enough that every filter covers a bin of n_fft={recipe.n_fft} "
            f"(filter {empty[0]} is empty)"
        )
        _fail("n_mels", expected, recipe.n_mels)


def _check_ranges(recipe: FeatureRecipe) -> None:
    for name in ("input_range", "output_range"):
        value = getattr(recipe, name)
        if not isinstance(value, tuple) or len(value) != 2 or not all(map(_is_number, value)):
            _fail(name, "two finite numbers", value)
        if value[0] >= value[1]:
            _fail(name, "ascending", value)


def _check_statistics(recipe: FeatureRecipe) -> None:
    for name in ("mean", "std"):
        value = getattr(recipe, name)
        if value is None:
            continue
        if not isinstance(value, tuple) or len(value) != recipe.n_mels:
            _fail(name, f"None or n_mels={recipe.n_mels} numbers", value)
        if not all(map(_is_number, value)) or (name == "std" and min(value) <= 0.0):
            _fail(name, "finite" if name == "mean" else "finite and > 0", value)
    if (recipe.mean is None) != (recipe.std is None):
        _fail("std", "given exactly when mean is", recipe.std)
