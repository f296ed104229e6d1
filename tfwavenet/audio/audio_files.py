"""Reads and writes audio files with soundfile; every failure is an error of one sentence."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import soundfile

from tfwavenet import files
from tfwavenet.audio import containers, resample, wav_format

_BLOCK_FRAMES = 1 << 20
# 12 dB above full scale: beyond that, floating samples are integers that nobody has divided.
LARGEST_SAMPLE = 4.0
# 60 dB below full scale.
SILENCE = 1e-3
# What libsndfile says of bytes that its MP3 decoder gives up on.
# Sample rates of recordings, in Hz: from telegraphy to ultrasound.
_RESAMPLED_RATES = (1000, 1_536_000)
_MISLEADING = ("File does not exist or is not a regular file (possibly a pipe?)",)


class AudioFileError(ValueError):
    """Reports a file that cannot be used as audio; the message names the file and the reason."""


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """The content of a file's header.

    Attributes:
        frames: samples per channel.
        sample_rate: in Hz.
        channels: number of channels.
        container: libsndfile's name, e.g. "WAV", "FLAC", "OGG", "MP3".
        encoding: libsndfile's name, e.g. "PCM_16", "VORBIS".
    """

    frames: int
    sample_rate: int
    channels: int
    container: str
    encoding: str

    @property
    def seconds(self) -> float:
        """Returns the duration in seconds."""
        return self.frames / self.sample_rate


def info(path: files.PathLike) -> AudioInfo:
    """Reads a file's header.

    Args:
        path: a WAV, FLAC, Ogg, MP3 or other file that libsndfile knows.

    Raises:
        AudioFileError: if the file is missing, empty, or not audio.
    """
    with _open(os.fspath(path)) as file:
        return AudioInfo(file.frames, file.samplerate, file.channels, file.format, file.subtype)


def whole_info(path: files.PathLike) -> AudioInfo:
    """Reads a file's header and checks, without decoding the file, that it is not truncated.

    Args:
        path: a file as `info` takes.

    Raises:
        AudioFileError: if the file is missing, empty, truncated, or not audio. Damage inside a
            file is found in Ogg only.
    """
    path = os.fspath(path)
    found, damage = info(path), containers.damage(path)
    if found.container == "FLAC" and not _has_last_sample(path):
        damage = f"a truncated file, {found.frames} samples expected"
    if damage is not None:
        raise _error(path, "all that its header promises", damage)
    return found


def read(
    path: files.PathLike, *, sample_rate: int | None = None, mono: bool = True
) -> tuple[np.ndarray, int]:
    """Decodes a WAV, FLAC, Ogg, MP3 or other file that libsndfile knows.

    Args:
        path: the file. Its content decides the format, not its name.
        sample_rate: int > 0, in Hz, the rate to resample to (soxr, no lag). If None, the audio
            keeps the rate of the file.
        mono: whether to average the channels to one.

    Returns:
        The audio, float32 [samples], or [samples, channels] with `mono=False`, and its sample
        rate in Hz. 16-bit samples are divided by 32768; floating samples are as stored.

    Raises:
        AudioFileError: if the file is missing, empty, truncated (as far as its format promises a
            length, see `containers.damage`), corrupt, without samples, not audio, or holds NaN,
            infinity, or floating samples far above full scale; or if it is to be resampled from an implausible rate, which would make it thousands of times as long.
        ValueError: if `sample_rate` is not a positive integer.
    """
    path = os.fspath(path)
    with _open(path) as file:
        audio, rate = _read_all(path, file), file.samplerate
        _check_whole(path, file, len(audio))
    if len(audio) == 0:
        raise _error(path, "at least one sample", "samples=0")
    if not np.isfinite(audio).all():
        raise _error(path, "finite samples", "NaN or infinity")
    peak = float(np.max(np.abs(audio)))
    if peak > LARGEST_SAMPLE:
        raise _error(path, "samples whose full scale is 1", f"samples up to {peak:.6g}")
    if mono:
        audio = audio.mean(axis=1, dtype=np.float32) if audio.shape[1] > 1 else audio[:, 0]
    if sample_rate is not None:
        low, high = _RESAMPLED_RATES
        if not low <= rate <= high:
            raise _error(path, f"a sample rate from {low} to {high} Hz", f"sample_rate={rate}")
        audio = resample.resample(audio, source_rate=rate, target_rate=sample_rate)
        rate = int(sample_rate)
    return np.ascontiguousarray(audio, np.float32), rate


def write(path: files.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Writes a 16-bit PCM WAV file that is whole or not there.

    Args:
        path: the final name. An older file of this name stays until the new file is complete.
        audio: floating [samples] or [samples, channels]; values outside [-1, 1] are clipped.
        sample_rate: int > 0, in Hz.

    Raises:
        ValueError: if the rank or dtype is another, the audio holds NaN or infinity, the rate is
            not positive, or a WAV file cannot hold so much.
        OSError: if the file cannot be written (disk full, no permission); the message names it.
    """
    samples = wav_format.to_pcm(audio)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    head = wav_format.header(frames=len(samples), sample_rate=sample_rate, channels=channels)
    with files.atomic_write(path) as file:
        file.write(head)
        file.write(samples.tobytes())


def is_silent(audio: np.ndarray) -> bool:
    """Tells whether nothing in a recording, apart from a constant offset, reaches `SILENCE`.

    Args:
        audio: floating [samples] or [samples, channels].
    """
    audio = np.asarray(audio, np.float64)
    if audio.size == 0:
        return True
    return bool(np.max(np.abs(audio - audio.mean(axis=0))) < SILENCE)


def _has_last_sample(path: str) -> bool:
    """Tells whether the last sample of a file can be read, which in FLAC takes a short search."""
    with _open(path) as file:
        try:
            file.seek(file.frames - 1)
            return len(file.read(1)) == 1
        except (RuntimeError, ValueError):
            return False


def _error(path: str, expected: str, received: str) -> AudioFileError:
    return AudioFileError(
        f"Audio file {path!r} is expected to hold {expected}. Received: {received}"
    )


def _open(path: str) -> soundfile.SoundFile:
    if not os.path.exists(path):
        raise AudioFileError(f"Audio file {path!r} is expected to exist. Received: no such file")
    if not os.path.isfile(path):
        kind = "a directory" if os.path.isdir(path) else "something else"
        raise AudioFileError(f"Audio file {path!r} is expected to be a file. Received: {kind}")
    if not os.access(path, os.R_OK):
        raise _error(path, "audio that may be read", "no permission")
    if os.path.getsize(path) == 0:
        raise _error(path, "audio", "an empty file of 0 bytes")
    try:
        return soundfile.SoundFile(os.fsencode(path))  # a name need not be UTF-8
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        raise _error(path, "audio (WAV, FLAC, Ogg, MP3)", _reason(path, error)) from error


def _reason(path: str, error: Exception) -> str:
    """Returns the message of libsndfile in one line, without the path that it repeats."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    reason = "" if text in _MISLEADING else f" ({text})"
    return f"{os.path.getsize(path)} bytes that do not decode{reason}"


def _read_all(path: str, file: soundfile.SoundFile) -> np.ndarray:
    """Reads float32 [frames, channels], in blocks: a header may promise an absurd length."""
    blocks: list[np.ndarray] = []
    try:
        while not blocks or len(blocks[-1]) == _BLOCK_FRAMES:
            blocks.append(_read_block(file))
    except (RuntimeError, OSError) as error:
        raise _error(path, "samples that decode to the end", _reason(path, error)) from error
    return np.concatenate(blocks)


def _read_block(file: soundfile.SoundFile) -> np.ndarray:
    block = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
    return file.read(out=block)


def _check_whole(path: str, file: soundfile.SoundFile, frames: int) -> None:
    """Raises AudioFileError if the container promises another length than was decoded.

    An MP3 with a Xing, Info or VBRI header promises its length, to the sample. Without such a header
    noise between its frames cannot be told from frames: what decodes is then the recording.
    """
    damage = containers.damage(path)
    if damage is not None:
        raise _error(path, "all that its header promises", damage)
    is_estimate = file.format == "MP3" and not containers.promises_mp3_length(path)
    if frames != file.frames and not is_estimate:
        kind = "truncated" if frames < file.frames else "corrupt"
        received = f"a {kind} file, {file.frames} samples expected, {frames} found"
        raise _error(path, "all that its header promises", received)
