"""Audio while its features arrive: in constant memory, to be stopped and continued elsewhere."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files, rng
from tfwavenet.checks import whole_number
from tfwavenet.generation import chunk as chunks
from tfwavenet.generation import stream_files
from tfwavenet.generation.batching import Decoder
from tfwavenet.generation.chunk import Program, hop_of
from tfwavenet.generation.conditioning_windows import window_of
from tfwavenet.generation.fingerprints import fingerprint
from tfwavenet.generation.protocols import ChunkModel, StepModel
from tfwavenet.generation.request import Request
from tfwavenet.generation.sampler import Sampler

_REMEMBERED_CHUNKS = 1024
_SETTINGS = ("batch_size", "temperature", "top_k", "top_p", "chunk_samples", "jit_compile")

# {"chunk": of `generation.chunk`; "seeds": int32 [batch, 2]; "sampling": from `Sampler.tensors`;
#  "speaker": if the model takes one; and for models with features
#  "mel": float32 [batch, kept frames, channels], the latest; "frames": int32 [], how many so far;
#  "done": int32 [], how many were generated; "ended": int32 [], 1 after the last frame.
#  Run eagerly, the three numbers are Python's: an operation on them would cost memory, see below}
State = dict[str, Any]


class StreamSteps:
    """Steps of a batch of utterances side by side, in operations that graphs can hold too.

    The state is a value: each step takes the state and returns the next one.

    Args:
        model: the model.
        chunk_samples: samples per chunk, a whole number of frames.
        advance: computes a chunk: takes the state of the chunk, the window, the seeds, the
            sampling and the number of samples to generate, int32 []; returns values
            [batch, chunk_samples] and the next state.
        whole_chunks: whether samples of a chunk that is not full wait until the last frame.
    """

    def __init__(
        self,
        model: ChunkModel,
        chunk_samples: int,
        advance: Callable[..., tuple[tf.Tensor, Any]],
        *,
        whole_chunks: bool = False,
    ) -> None:
        self._model = model
        self._whole_chunks = whole_chunks
        self._chunk = chunk_samples
        self._hop = hop_of(model)
        self._advance = advance
        if model.upsampler is not None:
            mel = tf.TensorSpec([None, None, model.local_channels])
            # One operation where it runs eagerly: every one leaves some bytes in TensorFlow.
            self._window = tf.function(
                lambda mel, numbers: window_of(
                    model.upsampler,
                    mel,
                    numbers[0],
                    numbers[1],
                    chunk_samples // self._hop,
                    dropped=numbers[2],
                ),
                input_signature=[mel, tf.TensorSpec([3], tf.int32)],
            )

    def start(
        self,
        seeds: tf.Tensor,
        sampling: dict[str, tf.Tensor],
        speaker: tf.Tensor | None = None,
    ) -> State:
        """Returns the state before the first sample.

        Args:
            seeds: int32 [batch, 2].
            sampling: from `Sampler.tensors`.
            speaker: [batch] or [batch, channels]; None for a model without speakers.
        """
        batch = tf.shape(seeds)[0] if seeds.shape[0] is None else seeds.shape[0]
        state: State = {
            "chunk": chunks.initial_state(self._model, batch),
            "seeds": seeds,
            "sampling": sampling,
        }
        if speaker is not None:
            state["speaker"] = speaker
        if self._model.upsampler is not None:
            shape = [batch, self._kept_frames, self._model.local_channels]
            zero = 0 if tf.executing_eagerly() else tf.constant(0)
            state.update(mel=tf.zeros(shape), frames=zero, done=zero, ended=zero)
        return state

    def start_after(self, state: State, values: tf.Tensor) -> State:
        """Returns the state behind a prompt, of a model without features.

        Args:
            state: from `start`.
            values: values [batch, samples] of the prompt, at least one sample.
        """
        model: StepModel = self._model  # type: ignore[assignment]
        first = tf.maximum(0, tf.shape(values)[1] - model.receptive_field)
        return {**state, "chunk": chunks.state_after(model, values, _conditions(state), first)}

    def push(self, state: State, mel: tf.Tensor, is_last: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Takes further frames and generates all samples whose look-ahead has arrived.

        Args:
            state: from `start` or the step before.
            mel: float32 [batch, frames, channels], any number of frames.
            is_last: bool or bool [], whether these are the last frames: the rest is generated.

        Returns:
            Values [batch, samples], and the next state.
        """
        latest = tf.concat([state["mel"], mel], axis=1)
        arrived = tf.shape(mel)[1] if mel.shape[1] is None else mel.shape[1]
        frames, done = state["frames"] + arrived, state["done"]
        dropped = state["frames"] - self._kept_frames
        ready = _chosen(is_last, frames, frames - self.look_ahead_frames) - done
        ready = _chosen(ready > 0, ready, 0)
        unit = self._chunk // self._hop
        if self._whole_chunks:
            ready = _chosen(is_last, ready, ready // unit * unit)

        def window(first_sample: Any) -> dict[str, tf.Tensor]:
            first = done + first_sample // self._hop
            return self._window(latest, _tensor([frames, first, dropped]))

        values, state = self._generated(state, ready * self._hop, window)
        kept = latest[:, arrived:]
        if tf.is_tensor(arrived):
            kept = tf.ensure_shape(kept, [None, self._kept_frames, None])
        return values, {
            **state,
            "mel": kept,
            "frames": frames,
            "done": done + ready,
            "ended": _chosen(is_last, 1, 0),
        }

    def pull(self, state: State, samples: tf.Tensor | int) -> tuple[tf.Tensor, State]:
        """Generates values [batch, samples] with a model without features."""
        return self._generated(state, samples, lambda first_sample: {})

    @property
    def look_ahead_frames(self) -> int:
        """Frames beyond a frame that must have arrived before its samples are generated."""
        layer = self._model.upsampler
        return 0 if layer is None else layer.right_context_frames + layer.padding_frames

    @property
    def _kept_frames(self) -> int:
        """Earlier frames that the next windows may need, those of a chunk that waits included."""
        layer = self._model.upsampler
        context = layer.left_context_frames + layer.right_context_frames
        waiting = self._chunk // self._hop if self._whole_chunks else 0
        return context + 2 * layer.padding_frames + waiting

    def _generated(
        self, state: State, samples: Any, window_at: Callable[[Any], dict[str, tf.Tensor]]
    ) -> tuple[tf.Tensor, State]:
        """Generates `samples` more samples, chunk by chunk, the last of which may be cut short."""
        number = -(-samples // self._chunk)

        def next_chunk(index: Any, chunk: Any) -> tuple[tf.Tensor, Any]:
            first = index * self._chunk
            window = {**window_at(first), **_conditions(state)}
            missing = samples - first
            stop = _chosen(missing < self._chunk, missing, self._chunk)
            return self._advance(chunk, window, state["seeds"], state["sampling"], stop)

        loop = _eager_chunks if isinstance(number, int) else _graph_chunks
        values, chunk = loop(next_chunk, number, state["chunk"], self._chunk)
        return values[:, :samples], {**state, "chunk": chunk}


def _eager_chunks(
    next_chunk: Callable[..., Any], number: int, chunk: Any, size: int
) -> tuple[tf.Tensor, Any]:
    """Returns the values [batch, number * size] of chunks one after the other, and the state."""
    parts = []
    for index in range(number):
        values, chunk = next_chunk(index, chunk)
        parts.append(values)
    previous = chunk["previous"]
    return tf.concat(parts, 1) if parts else tf.zeros([previous.shape[0], 0], previous.dtype), chunk


def _graph_chunks(
    next_chunk: Callable[..., Any], number: tf.Tensor, chunk: Any, size: int
) -> tuple[tf.Tensor, Any]:
    """Returns the result of `_eager_chunks` as a loop in a graph, and a chunk of zeros behind."""
    batch, dtype = tf.shape(chunk["previous"])[0], chunk["previous"].dtype
    # One row more, so that there is always one.
    rows = tf.TensorArray(dtype, size=number + 1, element_shape=[None, size])
    rows = rows.write(number, tf.zeros([batch, size], dtype))

    def body(index: tf.Tensor, chunk: Any, rows: tf.TensorArray) -> tuple[Any, ...]:
        values, chunk = next_chunk(index, chunk)
        return index + 1, chunk, rows.write(index, values)

    _, chunk, rows = tf.while_loop(
        lambda index, *_: index < number, body, (tf.constant(0), chunk, rows)
    )
    values = tf.transpose(rows.stack(), [1, 0, 2])
    return tf.reshape(values, [batch, (number + 1) * size]), chunk


def _chosen(condition: Any, value: Any, other: Any) -> Any:
    """Returns one of two numbers, as an operation where the condition is a tensor."""
    if tf.is_tensor(condition):
        return tf.where(condition, value, other)
    return value if condition else other


def _tensor(numbers: list[Any]) -> tf.Tensor:
    """Returns numbers as int32 [n]. TensorFlow keeps a copy of every Python number for good."""
    if any(tf.is_tensor(number) for number in numbers):
        return tf.stack(numbers)
    return tf.constant(np.array(numbers, np.int32))


def _conditions(state: State) -> dict[str, tf.Tensor]:
    """Returns the conditions of all samples."""
    return {"speaker": state["speaker"]} if "speaker" in state else {}


class Stream:
    """One utterance without end, or a batch of utterances that run side by side.

    The audio equals the audio of `generate` for the same features, speaker and seed.

    Args:
        model: the model.
        batch_size: number of streams that run side by side. If None, one, without a batch
            dimension.
        speaker: as `generate` takes it.
        seed: seed of the first stream, the i-th one takes `seed + i`; or one per stream.
        temperature: as `generate` takes it.
        top_k: as `generate` takes it.
        top_p: as `generate` takes it.
        chunk_samples: samples that are generated at a time, rounded to whole frames. Shorter
            chunks come sooner, longer ones cost less per sample.
        jit_compile: whether XLA compiles the chunk.

    Attributes:
        samples: number of samples returned so far, of each stream.
        chunk_seconds: duration in seconds of each of the last 1024 chunks, the newest last; the
            first one of a program includes its compilation.

    Raises:
        ValueError: If an argument does not fit the model.

    Examples:
        >>> model = WaveNet(num_layers=2, upsampler=StretchUpsampler((8, 10)), recipe="speech_8k")
        >>> stream = model.stream(chunk_samples=800)
        >>> audio = [stream.push(np.zeros([5, 40])) for _ in range(4)]
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
            batch_size = whole_number("batch_size", batch_size, 1)
        sampler = Sampler(temperature, top_k, top_p)
        self._settings = {
            "batch_size": batch_size,
            "temperature": float(temperature),
            "top_k": top_k,
            "top_p": float(top_p),
            "chunk_samples": int(chunk_samples),
            "jit_compile": bool(jit_compile),
        }
        checked = Request.for_streams(
            model, speaker=speaker, seed=seed, batch_size=1 if batch_size is None else batch_size
        )
        self._seeds = checked.seeds
        self._model = model
        self._program = Program(
            model, sampler=sampler, chunk_samples=chunk_samples, jit_compile=jit_compile
        )
        self._steps = StreamSteps(
            model, self._program.chunk_samples, self._timed_chunk, whole_chunks=True
        )
        self._state = self._steps.start(
            tf.stack([rng.make_seed(one) for one in self._seeds]),
            sampler.tensors(model.codec),
            None if checked.speaker is None else tf.constant(checked.speaker),
        )
        self._decoder = Decoder(model)
        self._computed = np.zeros([len(self._seeds), 0], self._decoder.dtype)
        self.samples = 0
        self.chunk_seconds: collections.deque[float] = collections.deque(maxlen=_REMEMBERED_CHUNKS)

    def _timed_chunk(
        self, state: Any, window: Any, seeds: Any, sampling: Any, stop: Any
    ) -> tuple[tf.Tensor, Any]:
        """Generates a chunk. The program has the sampling already."""
        del sampling
        start = time.perf_counter()
        values, state = self._program(state, window, seeds, stop)
        values.numpy()  # until here the computation may still run
        self.chunk_seconds.append(time.perf_counter() - start)
        return values, state

    @property
    def look_ahead_frames(self) -> int:
        """Number of frames beyond a chunk that must arrive before the chunk is generated."""
        return self._steps.look_ahead_frames

    def push(self, mel: Any) -> np.ndarray:
        """Takes further frames and returns the audio that has become ready, in whole chunks.

        Args:
            mel: float [frames, channels], or [batch, frames, channels] for a batch; any number of
                frames. The audio of a frame is ready when `look_ahead_frames` more have arrived
                behind its chunk.

        Returns:
            float32 [samples] or [batch, samples], as `generate` returns it; possibly empty.

        Raises:
            ValueError: If the frames do not fit the network or are not finite, if the stream has
                ended, or if the network takes no features.
        """
        if self._model.upsampler is None:
            raise ValueError("This network takes no features: use `pull`. Received: mel")
        if self._state["ended"]:
            raise ValueError("This stream has ended. Received: mel after `finish`")
        return self._pushed(self._checked(mel), is_last=False)

    def pull(self, samples: int) -> np.ndarray:
        """Generates further samples with a network without features.

        Args:
            samples: int >= 1, number of samples.

        Returns:
            float32 [samples] or [batch, samples].

        Raises:
            ValueError: If the number is no positive integer, or the network takes features.
        """
        if self._model.upsampler is not None:
            raise ValueError("The features set the length: use `push`. Received: samples")
        missing = whole_number("samples", samples, 1) - self._computed.shape[1]
        if missing > 0:
            unit = self._program.chunk_samples
            wanted = -(-missing // unit) * unit
            values, self._state = self._steps.pull(self._state, wanted)
            new = self._decoder(values.numpy())
            self._computed = np.concatenate([self._computed, new], axis=1)
        taken, self._computed = self._computed[:, :samples], self._computed[:, samples:].copy()
        return self._returned(taken)

    def finish(self) -> np.ndarray:
        """Ends a stream of features; returns the rest of the audio.

        Returns:
            float32 [samples] or [batch, samples].

        Raises:
            ValueError: If the network takes no features.
        """
        if self._model.upsampler is None:
            raise ValueError("This network takes no features, its streams have no end")
        none = np.zeros([len(self._seeds), 0, self._model.local_channels], np.float32)
        return self._pushed(none, is_last=True)

    def _pushed(self, mel: np.ndarray, *, is_last: bool) -> np.ndarray:
        values, self._state = self._steps.push(self._state, tf.constant(mel), is_last)
        return self._returned(self._decoder(values.numpy()))

    def _returned(self, audio: np.ndarray) -> np.ndarray:
        self.samples += audio.shape[1]
        return audio[0] if self._settings["batch_size"] is None else audio

    def _checked(self, mel: Any) -> np.ndarray:
        """Returns `mel` as float32 [batch, frames, channels]."""
        mel = np.asarray(mel, np.float32)
        single = self._settings["batch_size"] is None
        batched = mel[np.newaxis] if single else mel
        rows, channels = len(self._seeds), self._model.local_channels
        if batched.ndim != 3 or batched.shape[::2] != (rows, channels):
            shape = f"[frames, {channels}]" if single else f"[{rows}, frames, {channels}]"
            raise ValueError(f"Expected mel of shape {shape}. Received: shape={mel.shape}")
        if not np.isfinite(batched).all():
            raise ValueError("Expected finite mel values. Received: NaN or infinity")
        return batched

    def save(self, path: files.PathLike) -> None:
        """Writes all that the continuation depends on, except for the model's weights, to a file.

        Args:
            path: the file, by custom `.npz`; it is replaced only when the new one is whole.
        """
        description = {
            **self._settings,
            "seeds": list(self._seeds),
            "samples": self.samples,
            "model": fingerprint(self._model),
        }
        arrays: dict[str, np.ndarray] = {
            f"state_{index}": np.frombuffer(tf.io.serialize_tensor(leaf).numpy(), np.uint8)
            for index, leaf in enumerate(tf.nest.flatten(self._state))
        }
        speaker = self._state.get("speaker")
        for name, array in (("speaker", speaker), ("filter", self._decoder.filter)):
            if array is not None:
                arrays[name] = np.asarray(array)
        arrays["computed"] = self._computed
        stream_files.write(path, description, arrays)

    @classmethod
    def load(cls, model: ChunkModel, path: files.PathLike) -> Stream:
        """Continues a saved stream, with the same audio as if it had not been stopped.

        Args:
            model: the model of the stream, with the same weights.
            path: a file that `save` wrote.

        Raises:
            ValueError: If the file is something else, is damaged or belongs to another model.
            OSError: If there is no such file.
        """
        description, arrays = stream_files.read(path)
        if description["model"] != fingerprint(model):
            raise ValueError(
                "Expected the state of a stream of this model with these weights. "
                f"Received: {str(path)!r}, of another"
            )
        try:
            stream = cls(
                model,
                speaker=arrays.get("speaker"),
                seed=description["seeds"],
                **{name: description[name] for name in _SETTINGS},
            )
            stream._restore(description, arrays)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise stream_files.refusal(path, error) from error
        return stream

    def _restore(self, description: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        leaves = [
            stream_files.leaf(arrays[f"state_{index}"], leaf)
            for index, leaf in enumerate(tf.nest.flatten(self._state))
        ]
        computed, samples = arrays["computed"], whole_number("samples", description["samples"], 0)
        if computed.dtype != self._computed.dtype or computed.shape[:1] != (len(self._seeds),):
            raise ValueError(f"computed audio of shape {computed.shape}")
        self._state = tf.nest.pack_sequence_as(self._state, leaves)
        self._decoder.filter = self._checked_filter(arrays.get("filter"))
        self._computed = computed
        self.samples = samples

    def _checked_filter(self, state: np.ndarray | None) -> np.ndarray | None:
        """Returns the state of the de-emphasis, if it is one of so many streams."""
        numbers = state is None or (state.dtype.kind == "f" and len(state) == len(self._seeds))
        if not numbers:
            raise ValueError("a filter of other streams")
        return state
