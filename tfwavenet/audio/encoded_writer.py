"""Writes FLAC, Ogg Vorbis or MP3 while the samples are still being made."""

from __future__ import annotations

import os
from types import TracebackType

import numpy as np
import soundfile

from tfwavenet import files

# libsndfile's names of format and encoding, by extension.
ENCODINGS = {
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


class EncodedWriter:
    """Appends chunks to `<path>.partial`, which becomes `path` once it is whole.

    An older file of that name stays until then. An exception in a `with` block keeps the partial
    file and does not touch `path`.

    Args:
        path: the final name; its extension, one of `ENCODINGS`, chooses the encoding. A missing
            directory is made.
        sample_rate: int > 0, in Hz.

    Shapes: a chunk is [samples].

    Raises:
        ValueError: if the format has no such sample rate; names both.
        OSError: if the file cannot be written, or another process writes it; the message names it.
    """

    def __init__(self, path: files.PathLike, *, sample_rate: int) -> None:
        self._path = os.fspath(path)
        container, encoding = ENCODINGS[os.path.splitext(self._path)[1].lower()]
        self._file = files.open_partial(self._path)
        try:
            self._encoder = soundfile.SoundFile(
                self._file,
                "w",
                samplerate=sample_rate,
                channels=1,
                format=container,
                subtype=encoding,
            )
        except soundfile.LibsndfileError as error:
            self._file.close()
            os.remove(self._partial_path)
            raise ValueError(
                f"{container} holds other sample rates only; choose .wav or .flac. "
                f"Received: sample_rate={sample_rate} for {self._path!r}"
            ) from error

    @property
    def _partial_path(self) -> str:
        return self._path + ".partial"

    @property
    def frames(self) -> int:
        """Returns the number of samples written so far."""
        return int(self._encoder.frames)

    def append(self, audio: np.ndarray) -> None:
        """Appends samples.

        Args:
            audio: floating [samples]; values outside [-1, 1] are clipped.

        Raises:
            OSError: if the disk is full; the message names the file.
        """
        try:
            self._encoder.write(np.clip(audio, -1.0, 1.0))
        except (soundfile.LibsndfileError, OSError) as error:
            raise OSError(None, f"could not be written ({error})", self._partial_path) from error

    def close(self) -> None:
        """Ends the encoding and gives the file its final name; a second call does nothing.

        Raises:
            OSError: if this fails; the message names the file.
        """
        if self._file.closed:
            return
        self._encoder.close()
        os.fsync(self._file.fileno())
        os.replace(self._partial_path, self._path)
        self._file.close()

    def __enter__(self) -> EncodedWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif not self._file.closed:
            self._encoder.close()
            self._file.close()
