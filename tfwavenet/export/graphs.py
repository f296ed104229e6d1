"""Generation as graph operations: the steps of `generation`, and the decoding to audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfwavenet.audio import signal_chain
from tfwavenet.generation import chunk, reverse_diffusion, stream
from tfwavenet.generation.conditioning_windows import window_of
from tfwavenet.generation.protocols import ChunkModel, GenerativeModel
from tfwavenet.generation.reverse_diffusion import Layout, ReverseDiffusion, layout
from tfwavenet.models.audio_model import AudioModel

# A dictionary: under "steps" the state of `generation.stream`, and under "filter" the state of the
# de-emphasis filter, float64 [batch].
State = dict[str, Any]


class StreamGraph:
    """Streams audio of a model that predicts samples or transforms noise to samples.

    Args:
        model: the model.
        chunk_samples: int > 0, samples of a chunk, rounded to whole frames.
        jit_compile: whether XLA compiles the program of a chunk, once per batch size.

    Shapes: mels are [batch, frames, n_mels], audio is [batch, samples], a state is a nest of
        [batch, ...].
    """

    def __init__(self, model: ChunkModel, *, chunk_samples: int, jit_compile: bool) -> None:
        self._model = model
        count = chunk.whole_frames(model, chunk_samples)

        def advance(state: Any, window: Any, seeds: Any, sampling: Any, stop: Any) -> Any:
            return model.advance(
                state, window, seeds=seeds, sampling=sampling, count=count, stop=stop
            )

        compiled = tf.function(advance, jit_compile=True) if jit_compile else advance
        self._steps = stream.StreamSteps(model, count, compiled)

    def start(
        self,
        seeds: tf.Tensor,
        *,
        prompt: tf.Tensor | None = None,
        speaker: tf.Tensor | None = None,
        **sampling: tf.Tensor,
    ) -> State:
        """Returns the state before the first sample, or after a prompt.

        Args:
            seeds: int32 [batch, 2].
            prompt: recordings, float32 [batch, samples], at least one sample, for a model without
                features. Silence at their ends is not trimmed. If None, there is no prompt.
            speaker: int32 [batch] or float32 [batch, channels]. If None, the model has no speakers.
            **sampling: `temperature` float32 []. For a network that predicts codes also `top_p`
                float32 [].
        """
        steps = self._steps.start(seeds, sampling, speaker)
        if prompt is not None:
            signal = _signal(self._model, prompt)
            steps = self._steps.start_after(steps, self._model.codec.encode(signal))
        return {"steps": steps, "filter": tf.zeros([tf.shape(seeds)[0]], tf.float64)}

    def push(self, state: State, mel: tf.Tensor, is_last: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Takes further frames, and returns the audio that is complete and the next state.

        Args:
            state: the result of `start` or of the previous step.
            mel: float32 [batch, frames, channels], any number of frames.
            is_last: bool [], whether these are the last frames.

        Returns:
            The audio, float32 [batch, samples], and the next state.
        """
        return self._audio(state, *self._steps.push(state["steps"], mel, is_last))

    def pull(self, state: State, samples: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Returns further audio of a model without features, and the next state.

        Args:
            state: the result of `start` or of the previous step.
            samples: int32 [], length of the audio.

        Returns:
            The audio, float32 [batch, samples], and the next state.
        """
        return self._audio(state, *self._steps.pull(state["steps"], samples))

    def generate(
        self,
        seeds: tf.Tensor,
        *,
        mel: tf.Tensor | None = None,
        samples: tf.Tensor | None = None,
        **given: tf.Tensor,
    ) -> tf.Tensor:
        """Generates the audio of whole utterances.

        Args:
            seeds: int32 [batch, 2].
            mel: float32 [batch, frames, channels]. If None, the model has no features.
            samples: int32 [], length of the audio of a model without features.
            **given: further arguments of `start`.

        Returns:
            float32 [batch, samples].
        """
        state = self.start(seeds, **given)
        if mel is None:
            return self.pull(state, samples)[0]
        return self.push(state, mel, tf.constant(True))[0]

    def _audio(self, state: State, values: tf.Tensor, steps: Any) -> tuple[tf.Tensor, State]:
        audio, memory = _decoded(self._model, self._model.codec.decode(values), state["filter"])
        return audio, {"steps": steps, "filter": memory}


class DiffusionGraph:
    """Generates audio of any length and batch size by reverse diffusion.

    If the audio is a single chunk, its conditioning is computed once.

    Args:
        model: the model. The inference schedule is used if the model has one, and the schedule of
            training otherwise.
        chunk_samples: int > 0, largest number of samples of a chunk.
        jit_compile: whether XLA compiles the network. If True, lengths are rounded up to one of 16
            sizes per octave, and each size is compiled once.

    Shapes: mels are [batch, frames, n_mels], audio is [batch, samples].
    """

    def __init__(self, model: AudioModel, *, chunk_samples: int, jit_compile: bool) -> None:
        self._model = model
        self._most_samples = chunk_samples
        self._rounded = jit_compile

        def condition(window: Any) -> Any:
            return reverse_diffusion.conditioning_of(model, window)

        def reverse_step(window: Any, conditioning: Any, **given: Any) -> Any:
            return reverse_diffusion.reverse_step(model, window, conditioning, **given)

        self._condition, self._reverse_step = condition, reverse_step
        if jit_compile:
            self._condition = tf.function(condition, jit_compile=True)
            self._reverse_step = tf.function(reverse_step, jit_compile=True)

    def generate(
        self,
        seeds: tf.Tensor,
        temperature: tf.Tensor,
        *,
        speaker: tf.Tensor | None = None,
        mel: tf.Tensor | None = None,
        samples: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Generates audio from noise.

        Args:
            seeds: int32 [batch, 2].
            temperature: float32 [].
            speaker: int32 [batch] or float32 [batch, channels]. If None, the model has no speakers.
            mel: float32 [batch, frames, channels]. If None, the model has no features.
            samples: int32 [], length of the audio of a model without features.

        Returns:
            float32 [batch, samples].
        """
        model = self._model
        if mel is not None:
            samples = tf.shape(mel)[1] * model.upsampler.hop_samples
        chunks = layout(model, samples, self._most_samples, rounded=self._rounded)
        process = ReverseDiffusion(
            model,
            model.inference_schedule or model.schedule,
            chunks,
            seeds=seeds,
            samples=tf.fill([tf.shape(seeds)[0]], samples),
            temperature=temperature,
            conditioning_at=self._conditioning(chunks, mel, speaker),
            reverse_step=self._reverse_step,
            limit=model.signal_limit,
        )
        _, signal = tf.while_loop(
            lambda index, _: index >= 0,
            lambda index, signal: (index - 1, process.update(signal, index)),
            (tf.constant(process.num_steps - 1), process.noise()),
        )
        signal = signal[:, :samples] * model.signal_level(mel)
        return _decoded(model, signal, tf.zeros([tf.shape(seeds)[0]], tf.float64))[0]

    def _conditioning(
        self, chunks: Layout, mel: tf.Tensor | None, speaker: tf.Tensor | None
    ) -> Callable[[tf.Tensor], Any]:
        """Returns a function from the number of a chunk to the conditioning of the chunk."""
        count, parts, around = chunks
        upsampler = self._model.upsampler

        def compute(first: tf.Tensor, length: tf.Tensor) -> Any:
            window = {} if speaker is None else {"speaker": speaker}
            if mel is not None:
                hop, frames = upsampler.hop_samples, tf.shape(mel)[1]
                window.update(window_of(upsampler, mel, frames, first // hop, length // hop))
            return self._condition(window)

        # If there is one chunk, `kept` is its conditioning. If there are several chunks, `kept` is
        # the conditioning of one frame, which only determines the shape.
        hop = 1 if upsampler is None else upsampler.hop_samples
        kept = compute(tf.constant(0), tf.where(parts == 1, count, hop))
        if mel is None:
            return lambda number: kept
        return lambda number: tf.cond(
            parts == 1,
            lambda: kept,
            lambda: compute(number * count - around, count + 2 * around),
        )


def _signal(model: GenerativeModel, audio: tf.Tensor) -> tf.Tensor:
    """Returns recordings [batch, samples] as the network sees them."""
    if model.recipe is None:
        return audio
    prepared = signal_chain.prepare_graph(audio, recipe=model.recipe)
    return signal_chain.to_signal_graph(prepared, recipe=model.recipe)


def _decoded(
    model: GenerativeModel, signal: tf.Tensor, memory: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a signal to audio.

    Args:
        model: the model, whose recipe describes the signal.
        signal: float32 [batch, samples], in the network's domain.
        memory: float64 [batch], state of the de-emphasis filter.

    Returns:
        The audio, [batch, samples], and the next state of the filter.
    """
    if model.recipe is None:
        return signal, memory
    return signal_chain.from_signal_graph(signal, recipe=model.recipe, state=memory)
