"""Audio as its features arrive: in constant memory, to be stopped and continued elsewhere."""

from __future__ import annotations

import collections
import hashlib
import json
import time
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.generation.batching import Decoder
from tfwavenet.generation.chunk import ChunkModel, Program
from tfwavenet.generation.conditioning_windows import Features, stacked
from tfwavenet.generation.request import Request, whole_number

_REMEMBERED_CHUNKS = 1024
_SETTINGS = ("batch_size", "temperature", "top_k", "top_p", "chunk_samples", "jit_compile")


class Stream:
    """One utterance without end, or a batch of them that run side by side.

    The audio is that of `generate` for the same features, speaker and seed, chunk by chunk.

    Args:
        model: the network.
        batch_size: how many streams run side by side; None for one, without a batch dimension.
        speaker: as `generate` takes it.
        seed: of the first stream, the i-th one takes `seed + i`; or one per stream.
        temperature, top_k, top_p: as `generate` takes them.
        chunk_samples: samples that are computed at a time, rounded to whole frames. Shorter
            chunks come sooner, longer ones cost less per sample.
        jit_compile: whether XLA compiles the program.

    Attributes:
        samples: number of samples returned so far, of each stream.
        chunk_seconds: how long each of the last 1024 chunks took, the newest last; the first one
            of a program includes its compilation.

    Raises:
        ValueError: if an argument does not fit the network.

    Example:
        >>> model = WaveNet(num_layers=2, upsampler=StretchUpsampler((8, 10)), recipe="speech_8k")
        >>> stream = model.stream(chunk_samples=800)
        >>> audio = [stream.push(np.zeros([5, 80])) for _ in range(4)]
        >>> audio.append(stream.finish())
        >>> sum(map(len, audio))
        1600
    """

    def __init__(
        self,
        model: ChunkModel,
        *,
        batch_size: int | None = None,
        speaker: Any = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        chunk_samples: int = 1024,
        jit_compile: bool = True,
    ) -> None:
        if batch_size is not None:
            batch_size = whole_number("batch_size", batch_size, least=1)
        rows = 1 if batch_size is None else batch_size
        self._settings = {
            "batch_size": batch_size,
            "temperature": float(temperature),
            "top_k": top_k,
            "top_p": float(top_p),
            "chunk_samples": int(chunk_samples),
            "jit_compile": bool(jit_compile),
        }
        checked = Request.for_streams(model, speaker=speaker, seed=seed, batch_size=rows)
        self._seeds, self._speaker = checked.seeds, checked.speaker
        self._model = model
        self._program = Program(
            model,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            chunk_samples=chunk_samples,
            jit_compile=jit_compile,
        )
        self._state = self._program.initial_state(rows)
        self._decoder = Decoder(model)
        self._computed = np.zeros([rows, 0], self._decoder.dtype)
        self._position = 0
        self._is_finished = False
        self._features: list[Features] = []
        if model.upsampler is not None:
            channels = model.local_channels
            self._features = [Features(model.upsampler, channels) for _ in range(rows)]
        self.samples = 0
        self.chunk_seconds: collections.deque[float] = collections.deque(maxlen=_REMEMBERED_CHUNKS)

    @property
    def look_ahead_frames(self) -> int:
        """How many frames beyond those of a chunk must have arrived before it is computed."""
        return self._features[0].look_ahead if self._features else 0

    def push(self, mel: Any) -> np.ndarray:
        """Takes further frames and returns the audio that has become ready.

        Args:
            mel: float [frames, channels], or [batch, frames, channels] for a batch; any number.
                The audio of a frame is ready `look_ahead_frames` later, when what the upsampler
                looks ahead to is there.

        Returns:
            float32 [samples] or [batch, samples], as `generate` returns it; possibly empty.

        Raises:
            ValueError: if the frames do not fit the network or are not finite, if the stream has
                ended, or if the network takes no features.
        """
        if not self._features:
            raise ValueError("This network takes no features: use `pull`. Received: mel")
        if self._is_finished:
            raise ValueError("This stream has ended. Received: mel after `finish`")
        for features, frames in zip(self._features, self._checked(mel)):
            features.append(frames)
        hop, ahead = self._model.upsampler.hop_samples, self.look_ahead_frames
        return self._taken((self._features[0].frames - ahead) * hop, whole_chunks=True)

    def pull(self, samples: int) -> np.ndarray:
        """Generates further samples with a network without features.

        Args:
            samples: how many, 1 or more.

        Returns:
            float32 [samples] or [batch, samples].

        Raises:
            ValueError: if the number is no positive integer, or the network takes features.
        """
        if self._features:
            raise ValueError("The features set the length: use `push`. Received: samples")
        return self._taken(self.samples + whole_number("samples", samples, least=1))

    def finish(self) -> np.ndarray:
        """Tells that there are no more frames; returns the rest of the audio.

        Returns:
            float32 [samples] or [batch, samples].

        Raises:
            ValueError: if the network takes no features.
        """
        if not self._features:
            raise ValueError("This network takes no features, its streams have no end")
        self._is_finished = True
        return self._taken(self._features[0].frames * self._model.upsampler.hop_samples)

    def _checked(self, mel: Any) -> np.ndarray:
        """`mel` as float32 [batch, frames, channels]."""
        mel = np.asarray(mel, np.float32)
        single = self._settings["batch_size"] is None
        batched = mel[np.newaxis] if single else mel
        channels = self._model.local_channels
        if batched.ndim != 3 or batched.shape[::2] != (len(self._features), channels):
            shape = (
                f"[frames, {channels}]"
                if single
                else f"[{len(self._features)}, frames, {channels}]"
            )
            raise ValueError(f"Expected mel of shape {shape}. Received: shape={mel.shape}")
        if not np.isfinite(batched).all():
            raise ValueError("Expected finite mel values. Received: NaN or infinity")
        return batched

    def _taken(self, until: int, whole_chunks: bool = False) -> np.ndarray:
        """The audio up to the sample `until`, or up to the last chunk that ends before it."""
        count = self._program.chunk_samples
        parts = [self._computed]
        while self._position + (count if whole_chunks else 1) <= until:
            parts.append(self._next_chunk())
        audio = np.concatenate(parts, axis=1)
        ready = audio.shape[1] if whole_chunks else max(0, until - self.samples)
        self._computed = audio[:, ready:].copy()
        self.samples += ready
        taken = audio[:, :ready]
        return taken[0] if self._settings["batch_size"] is None else taken

    def _next_chunk(self) -> np.ndarray:
        start, count = time.perf_counter(), self._program.chunk_samples
        window = {} if self._speaker is None else {"speaker": tf.constant(self._speaker)}
        if self._features:
            hop = self._model.upsampler.hop_samples
            first = self._position // hop
            window.update(stacked(f.window(first, count // hop) for f in self._features))
            for features in self._features:
                features.drop(first + count // hop)
        values, self._state = self._program(self._state, window, self._seeds)
        audio = self._decoder(values.numpy())
        self._position += count
        self.chunk_seconds.append(time.perf_counter() - start)
        return audio

    def save(self, path: files.PathLike) -> None:
        """Writes all that the continuation depends on, but for the model's weights, to a file.

        Args:
            path: the file, by custom `.npz`; it is replaced only when the new one is whole.
        """
        description = {
            **self._settings,
            "seeds": list(self._seeds),
            "samples": self.samples,
            "position": self._position,
            "dropped": self._features[0].dropped if self._features else 0,
            "is_finished": self._is_finished,
            "model": fingerprint(self._model),
        }
        arrays: dict[str, Any] = {
            f"state_{index}": np.frombuffer(tf.io.serialize_tensor(leaf).numpy(), np.uint8)
            for index, leaf in enumerate(tf.nest.flatten(self._state))
        }
        if self._features:
            arrays["features"] = np.stack([features.kept for features in self._features])
        for name, array in (("speaker", self._speaker), ("filter", self._decoder.filter)):
            if array is not None:
                arrays[name] = array
        arrays.update(description=np.array(json.dumps(description)), computed=self._computed)
        with files.atomic_write(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, model: ChunkModel, path: files.PathLike) -> Stream:
        """Continues a saved stream, with the same audio as if it had not been stopped.

        Args:
            model: that of the stream, with the same weights.
            path: a file that `save` wrote.

        Raises:
            ValueError: if the file is something else, is damaged or of another model.
            OSError: if there is no such file.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = dict(archive)
            description = json.loads(str(arrays["description"]))
            of_model = description["model"]
        except (KeyError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"Expected a file that a stream was saved in. Received: {str(path)!r}, {error}"
            ) from error
        if of_model != fingerprint(model):
            raise ValueError(
                "Expected the state of a stream of this model with these weights. "
                f"Received: {str(path)!r}, of another"
            )
        stream = cls(
            model,
            speaker=arrays.get("speaker"),
            seed=description["seeds"],
            **{name: description[name] for name in _SETTINGS},
        )
        stream._restore(description, arrays)
        return stream

    def _restore(self, description: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        leaves = [
            tf.io.parse_tensor(arrays[f"state_{index}"].tobytes(), leaf.dtype)
            for index, leaf in enumerate(tf.nest.flatten(self._state))
        ]
        self._state = tf.nest.pack_sequence_as(self._state, leaves)
        for row, features in enumerate(self._features):
            features.restore(arrays["features"][row], description["dropped"])
        self._decoder.filter = arrays.get("filter")
        self._computed = arrays["computed"]
        self._position = description["position"]
        self._is_finished = description["is_finished"]
        self.samples = description["samples"]


def fingerprint(model: Any) -> str:
    """A digest of a model's configuration and weights, equal in every process."""
    config = {name: value for name, value in model.get_config().items() if name != "name"}
    digest = hashlib.sha256(
        json.dumps(config, default=tf.keras.saving.serialize_keras_object, sort_keys=True).encode()
    )
    for weight in model.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()
