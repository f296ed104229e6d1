"""Writes a WAV file, or to a pipe, while the samples are still being made."""

from __future__ import annotations

import os
from types import TracebackType
from typing import BinaryIO

import numpy as np

from tfwavenet import files
from tfwavenet.audio import wav_format


class WavWriter:
    """Appends chunks to `<path>.partial`, a playable 16-bit WAV file at any moment.

    The header is brought up to date after the samples of each chunk are in the file, so it never
    promises too much. `close` renames the file to `path`; until then an older file of that name
    stays. An exception in a `with` block keeps the partial file and does not touch `path`.

    Args:
        path: the final name; a missing directory is made.
        sample_rate: int > 0, in Hz.
        channels: int > 0.

    Shapes: a chunk is [samples], or [samples, channels] with several channels.

    Raises:
        ValueError: if `sample_rate` or `channels` is out of range.
        OSError: if the file cannot be written, or another process writes it; the message names it.

    Examples:
        >>> import numpy as np, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "tone.wav")
        >>> with WavWriter(path, sample_rate=8000) as writer:
        ...     writer.append(np.zeros(800, np.float32))
        >>> os.path.getsize(path)
        1644
    """

    def __init__(self, path: files.PathLike, *, sample_rate: int, channels: int = 1) -> None:
        self._path = os.fspath(path)
        self._format = {"sample_rate": sample_rate, "channels": channels}
        self._frames = 0
        head = wav_format.header(frames=0, **self._format)
        try:
            self._file = files.open_partial(self._path)
            self._write(0, head)
        except OSError as error:
            raise self._failure(error) from error

    @property
    def path(self) -> str:
        """Returns the final name."""
        return self._path

    @property
    def partial_path(self) -> str:
        """Returns the name of the file before `close`."""
        return self._path + ".partial"

    @property
    def frames(self) -> int:
        """Returns the number of samples per channel written so far."""
        return self._frames

    def append(self, audio: np.ndarray) -> None:
        """Appends samples and flushes them to the file.

        Args:
            audio: floating [samples], or [samples, channels] for more than one channel; values
                outside [-1, 1] are clipped.

        Raises:
            ValueError: if rank, channels or dtype are others, the audio holds NaN or infinity,
                the writer is closed, or a WAV file cannot hold so much. The file stays as it was.
            OSError: if the disk is full; the message names the file, which stays playable.
        """
        samples = wav_format.to_pcm(audio)
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        if self._file.closed or channels != self._format["channels"]:
            raise ValueError(
                f"an open writer expects {self._format['channels']} channels. "
                f"Received: shape={samples.shape}, closed={self._file.closed}"
            )
        frames = self._frames + len(samples)
        head = wav_format.header(frames=frames, **self._format)
        try:
            self._write(wav_format.HEADER_BYTES + self._frames * channels * 2, samples.tobytes())
            self._write(0, head)
        except OSError as error:
            raise self._failure(error) from error
        self._frames = frames

    def close(self) -> None:
        """Syncs the file to disk and gives it its final name; a second call does nothing.

        Raises:
            OSError: if this fails; the message names the file.
        """
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
            os.replace(self.partial_path, self._path)
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _write(self, position: int, data: bytes) -> None:
        self._file.seek(position)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _failure(self, error: OSError) -> OSError:
        reason = f"could not be written ({error.strerror or error})"
        return OSError(error.errno, reason, self.partial_path)


class WavPipe:
    """Writes 16-bit WAV to a file that cannot seek, under a header without a length.

    Args:
        file: open for binary writing, such as `sys.stdout.buffer`; the file is left open.
        sample_rate: int > 0, in Hz.

    Shapes: a chunk is [samples].

    Raises:
        ValueError: if `sample_rate` is out of range.
        OSError: if the file cannot be written; BrokenPipeError if nobody reads any more.

    Examples:
        >>> import io
        >>> pipe = io.BytesIO()
        >>> WavPipe(pipe, sample_rate=8000).append(np.zeros(800, np.float32))
        >>> len(pipe.getvalue())
        1644
    """

    def __init__(self, file: BinaryIO, *, sample_rate: int) -> None:
        self._file = file
        self._frames = 0
        self._write(wav_format.header(frames=None, sample_rate=sample_rate, channels=1))

    @property
    def frames(self) -> int:
        """Returns the number of samples written so far."""
        return self._frames

    def append(self, audio: np.ndarray) -> None:
        """Sends samples on at once.

        Args:
            audio: floating [samples]; values outside [-1, 1] are clipped.

        Raises:
            ValueError: if the rank or dtype is another, or the audio holds NaN or infinity.
            OSError: if the file cannot be written.
        """
        if np.ndim(audio) != 1:
            raise ValueError(f"audio must have shape [samples]. Received: shape={np.shape(audio)}")
        self._write(wav_format.to_pcm(audio).tobytes())
        self._frames += len(audio)

    def close(self) -> None:
        """Does nothing: every sample is on its way."""

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
