"""Autoregressive generation as one graph, of any length and batch: streams with carried state."""

from __future__ import annotations

from typing import Any, Optional

import tensorflow as tf

from tfwavenet.audio import signal_chain
from tfwavenet.generation import chunk as chunks
from tfwavenet.generation.conditioning_windows import window_of

# {"chunk": of `generation.autoregressive`; "seeds": int32 [batch, 2]; "randomness": "temperature"
#  and, of a network that predicts codes, "top_p", float32 [];
#  "speaker": if the network takes one; "filter": float64 [batch], of the de-emphasis;
#  "mel": float32 [batch, kept frames, channels], the latest; "frames": int32 [], how many so far;
#  "ended": int32 [], 1 after the last one}; the last three for networks with features
State = dict[str, Any]


class Streams:
    """A batch of utterances side by side, as `generation.Stream` is, but as graph operations.

    Chunks have a fixed size, and one `advance` computes each; XLA compiles it once per batch.

    Args:
        model: the network.
        chunk_samples: samples of a chunk, rounded to whole frames.
        jit_compile: whether XLA compiles the chunk.
    """

    def __init__(self, model: Any, *, chunk_samples: int, jit_compile: bool) -> None:
        self._model = model
        self._chunk = chunks.whole_frames(model, chunk_samples)
        self._hop = 1 if model.upsampler is None else model.upsampler.hop_samples

        def advance(state: Any, window: Any, seeds: Any, randomness: Any, stop: Any) -> Any:
            given = {"seeds": seeds, "stop": stop, **randomness}
            return model.advance(state, window, count=self._chunk, **given)

        self._advance = tf.function(advance, jit_compile=True) if jit_compile else advance

    def start(
        self,
        seeds: tf.Tensor,
        temperature: tf.Tensor,
        top_p: Optional[tf.Tensor] = None,
        speaker: Optional[tf.Tensor] = None,
    ) -> State:
        """The state before the first sample.

        Args:
            seeds: int32 [batch, 2].
            temperature: float32 [].
            top_p: float32 []; None for a network that does not predict codes.
            speaker: [batch] or [batch, channels]; None for a network without.
        """
        batch = tf.shape(seeds)[0]
        state = {
            "chunk": chunks.initial_state(self._model, batch),
            "seeds": seeds,
            "randomness": {
                "temperature": temperature,
                **({} if top_p is None else {"top_p": top_p}),
            },
            "filter": tf.zeros([batch], tf.float64),
        }
        if speaker is not None:
            state["speaker"] = speaker
        if self._model.upsampler is not None:
            shape = [batch, self._kept_frames, self._model.local_channels]
            state.update(mel=tf.zeros(shape), frames=tf.constant(0), ended=tf.constant(0))
        return state

    def start_after(self, prompt: tf.Tensor, **given: tf.Tensor) -> State:
        """The state after a recording, of a network without features.

        Args:
            prompt: float32 [batch, samples] in the network's domain, at least one of them.
            **given: as `start` takes it.
        """
        state = self.start(**given)
        window = {"speaker": state["speaker"]} if "speaker" in state else {}
        first = tf.maximum(0, tf.shape(prompt)[1] - self._model.receptive_field)
        values = self._model.to_values(prompt)
        chunk = chunks.state_after(self._model, values, window, first)
        return {**state, "chunk": chunk}

    def push(self, state: State, mel: tf.Tensor, is_last: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Takes further frames and gives the audio of all whose look-ahead has arrived.

        Args:
            state: from `start` or the call before.
            mel: float32 [batch, frames, channels], any number.
            is_last: bool [], whether there will be no more frames: no look-ahead is waited for.

        Returns:
            float32 audio [batch, samples], and the next state.
        """
        upsampler = self._model.upsampler
        latest = tf.concat([state["mel"], mel], axis=1)
        frames = state["frames"] + tf.shape(mel)[1]
        done = tf.cast(state["chunk"]["position"][0] // self._hop, tf.int32)
        ahead = upsampler.right_context_frames + upsampler.padding_frames
        ready = tf.maximum(tf.where(is_last, frames, frames - ahead) - done, 0)

        def window(first_sample: tf.Tensor) -> dict[str, tf.Tensor]:
            first = done + first_sample // self._hop
            return window_of(upsampler, latest, frames, first, self._chunk // self._hop)

        audio, state = self._generated(state, ready * self._hop, window)
        kept = latest[:, tf.shape(latest)[1] - self._kept_frames :]
        kept = tf.ensure_shape(kept, [None, self._kept_frames, None])
        return audio, {**state, "mel": kept, "frames": frames, "ended": tf.cast(is_last, tf.int32)}

    def pull(self, state: State, samples: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Further audio of a network without features, float32 [batch, samples], and the state."""
        return self._generated(state, samples, lambda first_sample: {})

    @property
    def _kept_frames(self) -> int:
        """Frames that the next window may need besides those that will arrive."""
        layer = self._model.upsampler
        return layer.left_context_frames + layer.right_context_frames + 2 * layer.padding_frames

    def _generated(
        self, state: State, samples: tf.Tensor, window_at: Any
    ) -> tuple[tf.Tensor, State]:
        """`samples` more samples, chunk by chunk, of which the last is cut short."""
        batch, chunks = tf.shape(state["seeds"])[0], -(-samples // self._chunk)
        chunk = state["chunk"]
        values = tf.zeros([chunks, batch, self._chunk], chunk["previous"].dtype)
        speaker = {"speaker": state["speaker"]} if "speaker" in state else {}

        def next_chunk(index: tf.Tensor, chunk: Any, values: tf.Tensor) -> tuple[Any, ...]:
            first = index * self._chunk
            window = {**window_at(first), **speaker}
            stop = tf.minimum(self._chunk, samples - first)
            new, chunk = self._advance(chunk, window, state["seeds"], state["randomness"], stop)
            return index + 1, chunk, tf.tensor_scatter_nd_update(values, [[index]], new[tf.newaxis])

        _, chunk, values = tf.while_loop(
            lambda index, *_: index < chunks, next_chunk, (tf.constant(0), chunk, values)
        )
        values = tf.reshape(tf.transpose(values, [1, 0, 2]), [batch, chunks * self._chunk])
        audio, memory = self._decoded(values[:, :samples], state["filter"])
        return audio, {**state, "chunk": chunk, "filter": memory}

    def _decoded(self, values: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Values of the network as audio in the recording's domain, and the filter's state."""
        signal = self._model.to_audio(values)
        if self._model.recipe is None:
            return signal, memory
        return signal_chain.from_signal_graph(signal, recipe=self._model.recipe, state=memory)
