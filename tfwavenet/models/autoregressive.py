"""What is common to models that predict each sample from those before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files, generation, rng
from tfwavenet.audio import mulaw
from tfwavenet.models.audio_model import AudioModel


class AutoregressiveModel(AudioModel):
    """Training and generation of a network whose `call` predicts the following sample.

    A subclass has, besides what an `AudioModel` has, a `distribution`, `dropout` and its `seed`,
    and the methods of `generation.StepModel`.
    """

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
    def takes_codes(self) -> bool:
        """Whether the network works on integer codes rather than on samples in [-1, 1]."""
        return self.distribution.value_dtype.is_integer

    def to_values(self, audio: tf.Tensor) -> tf.Tensor:
        """Audio in [-1, 1] as the network takes it: mu-law codes, or unchanged."""
        audio = tf.convert_to_tensor(audio)
        if not self.takes_codes or audio.dtype.is_integer:
            return audio
        return mulaw.encode(audio, self.distribution.channels, rounding=self._mulaw_rounding)

    def to_audio(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `to_values`: float32 in [-1, 1]."""
        return mulaw.decode(values, self.distribution.channels) if self.takes_codes else values

    @property
    def _mulaw_rounding(self) -> mulaw.Rounding:
        return "nearest" if self.recipe is None else self.recipe.mulaw_rounding

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """What precedes the first sample: silence, [batch]."""
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

    def _results(self) -> dict[str, tf.Tensor]:
        results = super()._results()
        if self.loss_is_discrete:
            results["bits_per_sample"] = results["loss"] / math.log(2)
        return results

    def _dropout_seed(self, training: bool | None) -> tf.Tensor | None:
        if not training or not self.dropout:
            return None
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return rng.fold_in(rng.fold_in(rng.make_seed(self.seed), self.training_step()), replica)

    def generate(
        self,
        mel: Any = None,
        *,
        speaker: Any = None,
        samples: int | None = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prime: Any = None,
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
            top_p: above 0, at most 1, for networks that predict codes: only the most likely codes
                that together have this probability are drawn. A little below 1 keeps rare
                outliers away, from which a network may not find back.
            prime: recording [samples] or [batch, samples], float32 in the network's domain, that
                comes before the generated samples. With features, these cover it too, and its
                length must be a whole number of frames.
            chunk_samples: samples per call of the program, rounded to whole frames.
            batch_size: how many utterances are generated at a time; as one ends, another begins in
                its place. None for as many as there are, up to 64.
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
            a list for a list, otherwise [batch, samples].

        Raises:
            ValueError: if inputs do not fit this network or each other, or are not finite.
        """
        request = generation.Request.create(
            self, mel=mel, speaker=speaker, samples=samples, seed=seed, prime=prime
        )
        utterances = generation.generate(
            self,
            request,
            temperature=temperature,
            top_p=top_p,
            chunk_samples=chunk_samples,
            batch_size=batch_size,
            fold_frames=fold_frames,
            overlap_frames=overlap_frames,
            on_chunk=on_chunk,
            jit_compile=jit_compile,
        )
        return self._like(mel, utterances)

    def stream(
        self,
        *,
        batch_size: int | None = None,
        speaker: Any = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        top_p: float = 1.0,
        chunk_samples: int = 1024,
        jit_compile: bool = True,
    ) -> generation.Stream:
        """Begins an utterance whose features arrive bit by bit, or that has no end.

        The arguments are those of `generation.Stream`, which this returns.

        Example:
            >>> model = WaveNet(layers=4, dilation_cycle=2)
            >>> audio = model.stream(seed=1).pull(500)
        """
        return generation.Stream(
            self,
            batch_size=batch_size,
            speaker=speaker,
            seed=seed,
            temperature=temperature,
            top_p=top_p,
            chunk_samples=chunk_samples,
            jit_compile=jit_compile,
        )

    def load_stream(self, path: files.PathLike) -> generation.Stream:
        """Continues a stream that `generation.Stream.save` stored, see its `load`."""
        return generation.Stream.load(self, path)
