"""The feature recipe: how a recording becomes the data that a network is trained on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.audio import emphasis, mulaw, recipe_checks, signal_chain, spectrogram
from tfwavenet.checks import nearest_name

# The spelling of "center" in the first recipes that were stored, and in all fingerprints.
_STORED_CENTER = "centre"


@dataclasses.dataclass(frozen=True)
class FeatureRecipe:
    """Turns audio into a signal for the network and a mel spectrogram, and back.

    The recipe is a value: immutable, hashable, equal by content, serializable as JSON. It travels
    with every model. Audio is processed in this order:

    1. *Preparation*, common to both (`prepare_audio`): trim silence, scale to a peak, high-pass,
       `gain`.
    2. The *signal* (`condition_audio`): times `signal_gain`, pre-emphasis, range check. The
       network sees the signal; `to_audio` undoes this step.
    3. The *features* (`mel`), from the prepared audio: feature pre-emphasis and peak, STFT
       magnitude, power, mel matrix, compression, normalization.

    Shapes: audio and signal [samples], mel [frames, n_mels].

    Args:
        sample_rate: int > 0, in Hz.
        n_fft: int > 0, even, length of the Fourier transform in samples.
        hop_samples: int > 0, at most `win_samples`.
        win_samples: int > 0, at most `n_fft`; the window is centered in the frame.
        window: "hann" (periodic) or "lws" (see `spectrogram.window_samples`).
        framing: "center", "exact", "same", "whole" or "full" (see `spectrogram.padding`).
        pad_mode: "reflect" or "constant" (zeros).
        window_scaling: "none", or "energy": divide the STFT by `sqrt(sum(window ** 2))`.
        power_offset: float >= 0, added to the squared magnitude before its root is taken.
        power: float > 0, the magnitude's exponent before the mel matrix.
        features: "mel", or "given": features of another kind, `n_mels` of them in each frame, that
            come in files beside the recordings and cannot be computed from audio.
        n_mels: int > 0; a filter that covers no bin is an error.
        fmin_hz: float >= 0, lower end of the first filter.
        fmax_hz: float, upper end of the last filter. If None, half the sample rate.
        mel_scale: "slaney" or "htk".
        mel_norm: "slaney" (area one) or "none" (peak one).
        compression: "ln", "log10", or "db" (20 log10), of `max(mel, floor)`.
        floor: float > 0, smallest mel value; smaller values become this.
        reference: float, subtracted after the compression, in the units of the compressed mel.
        normalization: "none"; "range": map `input_range` to `output_range` and clip;
            "standard": `(x - mean) / std` per mel bin.
        input_range: (low, high) of the compressed mel, for "range".
        output_range: (low, high) of the result, for "range".
        mean: n_mels floats, for "standard". If None, not fitted yet (see `with_statistics`).
        std: n_mels floats > 0, for "standard". If None, not fitted yet.
        feature_pre_emphasis: float in [0, 1), applied for the features only.
        feature_peak: float > 0, peak to which the features' audio is scaled after that. If None,
            the audio is not scaled.
        trim_top_db: float > 0, cut both ends that are this far below the loudest frame. If None,
            nothing is cut.
        trim_frame_samples: int > 0, frame of the loudness measured for trimming.
        trim_hop_samples: int > 0, hop of these frames.
        trim_pre_emphasis: float in [0, 1), pre-emphasis around the trimming, undone after it.
        peak: float in (0, 1], scale every recording to this peak. If None, levels are kept.
        high_pass_hz: float > 0, cut-off of a causal 255-tap FIR high-pass filter. If None, there
            is no filter.
        gain: float > 0, applied to the audio of both signal and features.
        signal_gain: float > 0, applied to the signal only.
        pre_emphasis: float in [0, 1), applied to the signal only.
        overflow: treatment of a signal outside [-1, 1]: "clip" or "error".
        mulaw_rounding: "nearest" or "truncate" (see `tfwavenet.audio.mulaw`).

    Raises:
        ValueError: if a field is out of its range; the message names it.

    Examples:
        >>> recipe = FeatureRecipe(sample_rate=8000, n_fft=512, win_samples=400, hop_samples=64)
        >>> signal, mel = recipe.analyze(np.zeros(8000, np.float32))
        >>> signal.shape, mel.shape
        ((8064,), (126, 80))
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_samples: int = 256
    win_samples: int = 1024
    window: spectrogram.Window = "hann"
    framing: spectrogram.Framing = "center"
    pad_mode: spectrogram.PadMode = "reflect"
    window_scaling: recipe_checks.WindowScaling = "none"
    power_offset: float = 0.0
    power: float = 1.0
    features: recipe_checks.Features = "mel"
    n_mels: int = 80
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    mel_scale: spectrogram.MelScale = "slaney"
    mel_norm: spectrogram.MelNorm = "slaney"
    compression: recipe_checks.Compression = "ln"
    floor: float = 1e-5
    reference: float = 0.0
    normalization: recipe_checks.Normalization = "none"
    input_range: tuple[float, float] = (-100.0, 0.0)
    output_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    feature_pre_emphasis: float = 0.0
    feature_peak: float | None = None
    trim_top_db: float | None = None
    trim_frame_samples: int = 2048
    trim_hop_samples: int = 512
    trim_pre_emphasis: float = 0.0
    peak: float | None = None
    high_pass_hz: float | None = None
    gain: float = 1.0
    signal_gain: float = 1.0
    pre_emphasis: float = 0.0
    overflow: signal_chain.Overflow = "clip"
    mulaw_rounding: mulaw.Rounding = "nearest"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(
                self, field.name, recipe_checks.plain_value(field, getattr(self, field.name))
            )
        recipe_checks.check_recipe(self)

    def get_config(self) -> dict[str, Any]:
        """Returns the fields as plain JSON values; `from_config` gives an equal recipe."""
        config = dataclasses.asdict(self)
        for name, default in _LATER_FIELDS.items():
            if config[name] == default:
                del config[name]
        return {key: list(v) if isinstance(v, tuple) else v for key, v in config.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureRecipe:
        """Builds a recipe from the mapping that `get_config` gave.

        Args:
            config: fields of the recipe; absent fields take their default.

        Raises:
            ValueError: if a key is unknown (the message names the nearest), or a value is out of
                range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in config:
            if key not in names:
                raise ValueError(
                    f"a feature recipe has no field {key!r}{nearest_name(key, names)}. "
                    f"Received: {key}={config[key]!r}"
                )
        fields = dict(config)
        if fields.get("framing") == _STORED_CENTER:
            fields["framing"] = "center"
        return cls(**fields)

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that two recipes share exactly when they are equal."""
        config = self.get_config()
        if self.framing == "center":
            config["framing"] = _STORED_CENTER
        text = json.dumps(config, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def with_statistics(
        self, mean: np.ndarray | list[float], std: np.ndarray | list[float]
    ) -> FeatureRecipe:
        """Returns this recipe with normalization by statistics of the training set.

        Args:
            mean: float [n_mels], mean of every compressed mel bin.
            std: float [n_mels], > 0, standard deviation of every compressed mel bin.

        Raises:
            ValueError: if the lengths are not `n_mels` or a value is out of range.
        """
        return dataclasses.replace(
            self,
            normalization="standard",
            mean=tuple(np.asarray(mean, np.float64).ravel().tolist()),
            std=tuple(np.asarray(std, np.float64).ravel().tolist()),
        )

    @property
    def signal_offset(self) -> int:
        """Returns how many zeros `analyze` puts before the signal to align it with the frames."""
        return self.n_fft - self.hop_samples if self.framing == "full" else 0

    @property
    def mel_recipe(self) -> FeatureRecipe:
        """Returns a recipe of the same frames that computes mels, for pictures and metrics."""
        if self.features == "mel":
            return self
        return dataclasses.replace(
            self,
            features="mel",
            n_mels=80 if self.n_fft >= 1024 else 40,
            normalization="none",
            mean=None,
            std=None,
        )

    def mel_matrix(self) -> np.ndarray:
        """Returns the mel filterbank, float32 [n_mels, n_fft // 2 + 1] (cached, read-only).

        Raises:
            ValueError: if the features are given.
        """
        if self.features == "given":
            raise ValueError(
                "the features of this recipe are given in files and cannot be computed from audio. "
                "Received: features='given'"
            )
        return spectrogram.mel_matrix(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin_hz=self.fmin_hz,
            fmax_hz=self.sample_rate / 2 if self.fmax_hz is None else self.fmax_hz,
            scale=self.mel_scale,
            norm=self.mel_norm,
        )

    def analysis_window(self) -> np.ndarray:
        """Returns the window, float64 [win_samples], scaled as `window_scaling` says."""
        window = spectrogram.window_samples(
            self.window, win_samples=self.win_samples, hop_samples=self.hop_samples
        )
        return window / np.linalg.norm(window) if self.window_scaling == "energy" else window

    def frame_count(self, samples: int) -> int:
        """Returns the number of frames that `mel` gives for `samples` samples of prepared audio."""
        return spectrogram.frame_count(
            samples, framing=self.framing, n_fft=self.n_fft, hop_samples=self.hop_samples
        )

    @property
    def least_samples(self) -> int:
        """Returns the length in samples of the shortest audio that `mel` takes."""
        return spectrogram.least_samples(
            self.framing, self.pad_mode, n_fft=self.n_fft, hop_samples=self.hop_samples
        )

    def mel(self, audio: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Computes mel features of prepared audio (see `prepare_audio`) in TensorFlow.

        Works in eager mode and in graphs (XLA has no float64 FFT); only eager mode looks at values.

        Args:
            audio: floating [samples] or [batch, samples], at `sample_rate`, nominally in [-1, 1].

        Returns:
            float32 [frames, n_mels] or [batch, frames, n_mels].

        Raises:
            ValueError: if the rank or dtype is another, there are too few samples, the audio
                holds NaN, infinity or 16-bit values, or [samples, channels], or the recipe lacks
                statistics that it needs.
        """
        return self.normalize(self.compressed_mel(audio))

    def compressed_mel(self, audio: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Computes mel features before their normalization; statistics are fitted on these.

        Args:
            audio: floating [samples] or [batch, samples].

        Returns:
            float32 [frames, n_mels] or [batch, frames, n_mels].

        Raises:
            ValueError: if the rank or dtype is another, there are too few samples, or the audio
                holds NaN or infinity.
        """
        audio = self._checked(audio)
        batch = audio if audio.shape.rank == 2 else audio[tf.newaxis]
        mel = self._compressed(self._extended(tf.cast(batch, tf.float64)))
        return mel if audio.shape.rank == 2 else mel[0]

    def mel_window(self, audio: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
        """Computes some frames of `mel`, at the cost of these frames, in graphs.

        Args:
            audio: float64 [samples], prepared audio, at least `least_samples`.
            start: int scalar, the first frame; it may be negative.
            count: number of frames, at least 1.

        Returns:
            float32 [count, n_mels]. Beyond the ends of the audio the first or the last frame is
            repeated.

        Raises:
            ValueError: if the recipe lacks statistics that it needs.
        """
        extended = self._extended(audio[tf.newaxis])
        frames = (tf.shape(extended)[1] - self.n_fft) // self.hop_samples + 1
        wanted = tf.clip_by_value(tf.cast(start, tf.int32) + tf.range(count), 0, frames - 1)
        low, high = wanted[0] * self.hop_samples, wanted[-1] * self.hop_samples + self.n_fft
        mel = self.normalize(self._compressed(extended[:, low:high]))[0]
        return tf.ensure_shape(tf.gather(mel, wanted - wanted[0]), [count, self.n_mels])

    def normalize(self, compressed: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Normalizes compressed mels [..., n_mels] as the recipe says, to float32.

        Raises:
            ValueError: if the recipe lacks statistics that it needs.
        """
        mel = tf.cast(compressed, tf.float32)
        if self.normalization == "range":
            (low, high), (out_low, out_high) = self.input_range, self.output_range
            mel = (mel - low) * ((out_high - out_low) / (high - low)) + out_low
            return tf.clip_by_value(mel, out_low, out_high)
        if self.normalization == "standard":
            mean, std = self._statistics()
            return (mel - mean) / std
        return mel

    def denormalize(self, mel: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Undoes `normalize`, except its clipping: float [..., n_mels] to float32.

        Raises:
            ValueError: if the recipe lacks statistics that it needs.
        """
        mel = tf.cast(mel, tf.float32)
        if self.normalization == "range":
            (low, high), (out_low, out_high) = self.input_range, self.output_range
            mel = tf.clip_by_value(mel, out_low, out_high)
            return (mel - out_low) * ((high - low) / (out_high - out_low)) + low
        if self.normalization == "standard":
            mean, std = self._statistics()
            return mel * std + mean
        return mel

    def decompress(self, compressed: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Undoes the compression: float [..., n_mels] to linear mels, float32, >= `floor`."""
        scaled = (tf.cast(compressed, tf.float32) + self.reference) / _LOG_FACTORS[self.compression]
        return tf.maximum(tf.exp(scaled), self.floor)

    def prepare_audio(self, audio: np.ndarray) -> np.ndarray:
        """Trims, scales and filters audio; signal and features are made from the result.

        Args:
            audio: floating [samples], at `sample_rate`, nominally in [-1, 1].

        Returns:
            float64 [at most samples].

        Raises:
            ValueError: if the rank or dtype is another, there are no samples, the audio holds
                NaN, or it is silent and cannot be scaled to a peak.
        """
        return signal_chain.prepare(audio, recipe=self)

    def condition_audio(self, audio: np.ndarray) -> np.ndarray:
        """Makes the signal that the network sees, float32 [samples], of audio, float [samples].

        The signal is in [-1, 1] and may be shorter than the audio.

        Raises:
            ValueError: if `prepare_audio` raises it, or the signal leaves [-1, 1] and `overflow`
                is "error".
        """
        return signal_chain.to_signal(self.prepare_audio(audio), recipe=self)

    def analyze(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes signal and features of one recording, aligned.

        Args:
            audio: floating [samples], at `sample_rate`, nominally in [-1, 1].

        Returns:
            signal float32 [frames * hop_samples] in [-1, 1], padded with zeros, and
            mel float32 [frames, n_mels].

        Raises:
            ValueError: if `condition_audio` or `mel` raises it.
        """
        prepared = self.prepare_audio(audio)
        mel = self.mel(prepared).numpy()
        return self._aligned_signal(prepared, len(mel)), mel

    def analyze_with(
        self, audio: np.ndarray, features: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Computes the signal of one recording, aligned with features that are given.

        Tools differ by a frame or two in the number of frames: up to two frames that are missing
        at the end repeat the last one, up to two that are too many are cut.

        Args:
            audio: floating [samples], at `sample_rate`, nominally in [-1, 1].
            features: floating [about `frame_count(samples)`, n_mels].

        Returns:
            signal float32 [frames * hop_samples] in [-1, 1], padded with zeros, and
            features float32 [frames, n_mels].

        Raises:
            ValueError: if `condition_audio` raises it, or more than two frames differ.
        """
        prepared = self.prepare_audio(audio)
        frames = self.frame_count(len(prepared))
        if abs(len(features) - frames) > _FRAME_TOLERANCE or not len(features):
            raise ValueError(
                f"features must have {frames} frames, up to {_FRAME_TOLERANCE} more or fewer, for "
                f"{len(prepared)} samples with a hop of {self.hop_samples}. "
                f"Received: frames={len(features)}"
            )
        missing = max(0, frames - len(features))
        aligned = np.pad(np.asarray(features, np.float32), ((0, missing), (0, 0)), "edge")[:frames]
        return self._aligned_signal(prepared, frames), aligned

    def _aligned_signal(self, prepared: np.ndarray, frames: int) -> np.ndarray:
        """Returns the signal of prepared audio, padded and cut to a number of frames."""
        signal = signal_chain.to_signal(prepared, recipe=self)
        length = frames * self.hop_samples
        missing = max(0, length - self.signal_offset - len(signal))
        return np.pad(signal, (self.signal_offset, missing))[:length]

    def to_audio(
        self, signal: np.ndarray, state: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Undoes `condition_audio`, except trimming, peak and high-pass, chunk by chunk.

        Args:
            signal: floating [..., samples], from the network.
            state: from the call on the preceding chunk. If None, this is the first chunk.

        Returns:
            The audio, float32 [..., samples], and the state for the next chunk. Chunks give the
            samples of the whole to the bit.
        """
        return signal_chain.from_signal(signal, recipe=self, state=state)

    def _checked(self, audio: np.ndarray | tf.Tensor) -> tf.Tensor:
        audio = tf.convert_to_tensor(audio)
        if audio.shape.rank not in (1, 2) or not audio.dtype.is_floating:
            raise ValueError(
                "audio must be floating with shape [samples] or [batch, samples]. "
                f"Received: shape={audio.shape}, dtype={audio.dtype.name}"
            )
        if tf.executing_eagerly():
            signal_chain.check_audio(audio.numpy())
        least = self.least_samples
        if audio.shape[-1] is not None and audio.shape[-1] < least:
            raise ValueError(
                f"audio is too short for this recipe, expected at least {least} samples. "
                f"Received: samples={audio.shape[-1]}"
            )
        return audio

    def _extended(self, audio: tf.Tensor) -> tf.Tensor:
        """Computes float64 [batch, padded], what is cut into frames, of float64 [batch, samples]."""
        audio = emphasis.pre_emphasis_graph(audio, coefficient=self.feature_pre_emphasis)
        if self.feature_peak is not None:
            loudest = tf.reduce_max(tf.abs(audio), axis=1, keepdims=True)
            audio = tf.math.divide_no_nan(audio * self.feature_peak, loudest)
        size = {"n_fft": self.n_fft, "hop_samples": self.hop_samples}
        return spectrogram.extend(audio, framing=self.framing, pad_mode=self.pad_mode, **size)

    def _compressed(self, extended: tf.Tensor) -> tf.Tensor:
        """Computes float32 [batch, frames, n_mels] of float64 [batch, padded]."""
        linear = spectrogram.magnitude(
            extended,
            window=self.analysis_window(),
            n_fft=self.n_fft,
            hop_samples=self.hop_samples,
            power_offset=self.power_offset,
        )
        linear = linear if self.power == 1.0 else linear**self.power
        mel = tf.einsum("bfk,mk->bfm", linear, tf.constant(self.mel_matrix(), tf.float64))
        log = tf.math.log(tf.maximum(mel, tf.constant(self.floor, mel.dtype)))
        return tf.cast(log * _LOG_FACTORS[self.compression] - self.reference, tf.float32)

    def _statistics(self) -> tuple[np.ndarray, np.ndarray]:
        if self.mean is None or self.std is None:
            raise ValueError(
                "this recipe normalizes by the training set's statistics, expected mean and std "
                "(see with_statistics; `prepare` fits them). "
                f"Received: mean={self.mean}, std={self.std}"
            )
        return np.array(self.mean, np.float32), np.array(self.std, np.float32)


_FRAME_TOLERANCE = 2
# Recipes were stored before these fields existed; at their defaults they are left out, so that
# fingerprints stay what they were.
_LATER_FIELDS = {"features": "mel", "power_offset": 0.0}
_LOG_FACTORS = {"ln": 1.0, "log10": 1.0 / np.log(10.0), "db": 20.0 / np.log(10.0)}
