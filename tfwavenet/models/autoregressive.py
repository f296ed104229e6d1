"""What is common to models that predict each sample from those before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files, generation, rng
from tfwavenet.audio import mulaw
from tfwavenet.generation import chunk
from tfwavenet.layers import ring_buffer
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.text import UNKNOWN


class AutoregressiveModel(AudioModel):
    """Training and generation of a network whose `call` predicts the following sample.

    A subclass has, besides what an `AudioModel` has, a `distribution`, `dropout` and its `seed`,
    and the methods of `generation.StepModel`.
    """

    computes_in_parallel = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Past Keras' tracking: checkpoints hold what the mean is of already.
        self.__dict__["_bits"] = tf.keras.metrics.Mean(name="bits_per_sample")

    @property
    def loss_name(self) -> str:
        """What `nll` is."""
        return "negative log-likelihood"

    @property
    def loss_unit(self) -> str:
        """The unit of `nll`."""
        return "nats"

    @property
    def loss_is_discrete(self) -> bool:
        """Whether the likelihood is that of a discrete distribution."""
        return bool(self.distribution.discrete)

    def describe_output(self) -> str:
        """What the network predicts, for people."""
        return repr(self.distribution)

    @property
    def signal_dtype(self) -> tf.DType:
        """Codes for text, otherwise samples."""
        return tf.int32 if self.takes_text else tf.float32

    def _check_text(self) -> None:
        """Settles that a text recipe, if this is one, fits the distribution and the conditions."""
        if not self.takes_text:
            return
        if not self.takes_codes or self.distribution.channels != self.recipe.classes:
            raise ValueError(
                f"Expected a Categorical distribution with the {self.recipe.classes} classes of "
                f"the text recipe. Received: distribution={self.distribution!r}"
            )
        if self.upsampler is not None:
            raise ValueError(
                "A network over text takes no acoustic features. "
                f"Received: upsampler={type(self.upsampler).__name__}"
            )

    @property
    def takes_codes(self) -> bool:
        """Whether the network works on integer codes rather than on samples in [-1, 1]."""
        return self.distribution.value_dtype.is_integer

    def to_values(self, audio: tf.Tensor) -> tf.Tensor:
        """Audio in [-1, 1] as the network takes it: mu-law codes, or unchanged, as codes are.

        Raises:
            ValueError: if it is audio for a network over text.
        """
        audio = tf.convert_to_tensor(audio)
        if not self.takes_codes or audio.dtype.is_integer:
            return audio
        if self.takes_text:
            raise ValueError(f"Expected the codes of a text. Received: dtype={audio.dtype.name}")
        return mulaw.encode(audio, self.distribution.channels, rounding=self._mulaw_rounding)

    def to_audio(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `to_values`: float32 in [-1, 1], or the codes of a text."""
        if not self.takes_codes or self.takes_text:
            return values
        return mulaw.decode(values, self.distribution.channels)

    def drawable(self, params: tf.Tensor) -> tf.Tensor:
        """Parameters [..., channels] under which every value drawn can stand in what is generated.

        A network over text draws the codes of known characters only.
        """
        if not self.takes_text:
            return params
        return tf.where(self.recipe.is_drawn(), params, params.dtype.min)

    @property
    def _mulaw_rounding(self) -> mulaw.Rounding:
        return "nearest" if self.recipe is None else self.recipe.mulaw_rounding

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """What precedes the first sample, [batch]: silence, or no known character."""
        if self.takes_text:
            return tf.fill([batch_size], tf.constant(UNKNOWN, tf.int32))
        return self.to_values(tf.zeros([batch_size]))

    def previous_values(self, values: tf.Tensor) -> tf.Tensor:
        """`values` [batch, samples] delayed by one sample; silence comes first."""
        first = self.initial_values(tf.shape(values)[0])
        return tf.concat([first[:, tf.newaxis], values[:, :-1]], axis=1)

    def nll(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Negative log-likelihood of each sample given those before it.

        Args:
            batch: see the class; `"mask"` is not looked at.
            training: whether dropout is active.

        Returns:
            float32 [batch, samples], in nats. For a distribution that is not discrete it is a
            density's and may be negative.
        """
        values = self.to_values(batch["audio"])
        params = self({**batch, "audio": self.previous_values(values)}, training=training)
        return -self.distribution.log_prob(params, values)

    def sample_loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        """The negative log-likelihood, see `nll`."""
        return self.nll(batch, training)

    def _loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        nll = self.sample_loss(batch, training)
        if self.loss_is_discrete:
            self._mean(nll / math.log(2), batch, self.__dict__["_bits"])
        return self._mean(nll, batch, self.loss_tracker)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that Keras resets at each epoch."""
        return [*super().metrics, *([self.__dict__["_bits"]] if self.loss_is_discrete else [])]

    def _dropout_seed(self, training: bool | None) -> tf.Tensor | None:
        if not training or not self.dropout:
            return None
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return rng.fold_in(rng.fold_in(rng.make_seed(self.seed), self.training_step()), replica)

    def advance(
        self, state: dict[str, Any], window: dict[str, tf.Tensor], **given: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """A chunk of samples, one after the other; see `generation.autoregressive.advance`."""
        return chunk.advance(self, state, window, **given)

    def merged_state(self, rows: tf.Tensor, state: list[Any], other: list[Any]) -> list[Any]:
        """`state` for the rows bool [batch] that are True, `other` for those that are False."""
        return [ring_buffer.where(rows, one, kept) for one, kept in zip(state, other)]

    def generate(
        self,
        mel: Any = None,
        *,
        speaker: Any = None,
        samples: int | None = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        prompt: Any = None,
        chunk_samples: int = 1024,
        batch_size: int | None = None,
        fold_frames: int | None = None,
        overlap_frames: int = 16,
        on_chunk: Callable[[list[np.ndarray]], None] | None = None,
        jit_compile: bool = True,
    ) -> Any:
        """Generates audio, sample by sample, in chunks of one compiled program.

        Equal seeds give equal audio: whole, in chunks of any size, alone or in a batch.

        Args:
            mel: features [frames, channels] of one utterance, [batch, frames, channels], or a
                list of [frames, channels] of any lengths. None for a network without. Upsamplers
                look ahead, so the audio of the first frames alone differs near its end from the
                beginning of that of all frames; for audio in parts there is `stream`.
            speaker: number of the speaker, or one per utterance, or vectors
                [batch, speaker_channels].
            samples: how many to generate; for networks without features, required.
            seed: of the first utterance, the i-th one takes `seed + i`; or one per utterance.
            temperature: scales the randomness; 0 takes the most likely value each time.
            top_k: 1 or more, for networks that predict codes: only so many of the most likely
                codes are drawn. None for all.
            top_p: above 0, at most 1, for networks that predict codes: only the most likely codes
                that together have this probability are drawn, of those that `top_k` leaves. A
                little below 1 keeps rare outliers away, from which a network may not find back.
            prompt: recording [samples] or [batch, samples], float32 in the network's domain or
                its codes, that comes before the generated samples. With features, these cover it
                too, and its length must be a whole number of frames.
            chunk_samples: samples per call of the program, rounded to whole frames.
            batch_size: how many utterances are generated at a time; as one ends, another begins in
                its place. None for the number that is fastest for these lengths, at most 32 a
                core; without XLA or on a GPU, for as many as there are, up to 64.
            fold_frames: cuts each utterance into pieces of this many frames (samples, for a
                network without features), which are generated at the same time: faster, but not
                the same audio. None for whole utterances.
            overlap_frames: how much earlier each piece begins. The first half of that, under the
                true features, replaces the past that it lacks and is not heard; over the second
                half it is faded in.
            on_chunk: called, by one thread at a time, with the new audio of each utterance: a list
                of float32 arrays that are empty for utterances that have ended or not begun.
            jit_compile: whether XLA compiles the program.

        Returns:
            float32 audio in [-1, 1] as `recipe` converts it: [samples] for one utterance's mel,
            a list for a list, otherwise [batch, samples]. For text its codes, int32.

        Raises:
            ValueError: if inputs do not fit this network or each other, or are not finite.
        """
        request = generation.Request.create(
            self, mel=mel, speaker=speaker, samples=samples, seed=seed, prompt=prompt
        )
        utterances = generation.generate(
            self,
            request,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            chunk_samples=chunk_samples,
            batch_size=batch_size,
            fold_frames=fold_frames,
            overlap_frames=overlap_frames,
            on_chunk=on_chunk,
            jit_compile=jit_compile,
        )
        return self._like(mel, utterances)

    def generate_text(
        self,
        prompt: str = "",
        *,
        num_characters: int = 500,
        seed: int = 0,
        on_text: Callable[[str], None] | None = None,
        chunk_characters: int = 64,
        **options: Any,
    ) -> str:
        """Writes on from a prompt, with a network over text.

        A prompt may be longer than the receptive field; its end is what counts then. Unknown
        characters in it are read as U+FFFD and never written.

        Args:
            prompt: what the text begins with; may be empty.
            num_characters: how many to write, 1 or more.
            seed: equal seeds give equal texts.
            on_text: called with each piece of the text as soon as it is there.
            chunk_characters: how many are in a piece.
            options: further arguments of `generate`, such as `temperature` and `top_k`.

        Returns:
            The text without the prompt: valid Unicode of as many characters.

        Raises:
            ValueError: if this is no network over text, or an argument is out of its range.
        """
        if not self.takes_text:
            raise ValueError(
                f"Text is written by a network with a text recipe. Received: recipe={self.recipe!r}"
            )
        codes = self.recipe.encode(prompt)

        def on_chunk(chunk: list[np.ndarray]) -> None:
            if on_text is not None:
                on_text(self.recipe.decode(chunk[0]))

        generated = self.generate(
            samples=num_characters,
            seed=seed,
            prompt=codes if len(codes) else None,
            chunk_samples=chunk_characters,
            on_chunk=on_chunk,
            **options,
        )
        return self.recipe.decode(generated[0])

    def stream(
        self,
        *,
        batch_size: int | None = None,
        speaker: Any = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        chunk_samples: int = 1024,
        jit_compile: bool = True,
    ) -> generation.Stream:
        """Begins an utterance whose features arrive bit by bit, or that has no end.

        The arguments are those of `generation.Stream`, which this returns.

        Example:
            >>> model = WaveNet(num_layers=4, dilation_cycle=2)
            >>> audio = model.stream(seed=1).pull(500)
        """
        return generation.Stream(
            self,
            batch_size=batch_size,
            speaker=speaker,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            chunk_samples=chunk_samples,
            jit_compile=jit_compile,
        )

    def load_stream(self, path: files.PathLike) -> generation.Stream:
        """Continues a stream that `generation.Stream.save` stored, see its `load`."""
        return generation.Stream.load(self, path)
