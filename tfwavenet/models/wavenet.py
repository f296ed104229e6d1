"""WaveNet as a Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfwavenet import codecs, distributions, files, generation, rng
from tfwavenet.audio import recipes
from tfwavenet.generation import Sampler, chunk
from tfwavenet.layers import activations
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.layers.wavenet_stack import SkipMode, WaveNetStack
from tfwavenet.models.audio_model import AudioModel

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

# Arguments that the network takes under the same names.
_OF_NETWORK = (
    "num_layers",
    "dilation_cycle",
    "residual_channels",
    "gate_channels",
    "skip_channels",
    "kernel_size",
    "input_kernel_size",
    "input_bias",
    "head_channels",
    "head_bias",
    "residual_scale",
    "last_residual",
    "skip_mode",
    "project_local",
    "local_bias",
    "global_bias",
    "weight_norm",
    "head_weight_norm",
    "dropout",
)
# Further arguments that `get_config` returns as they are.
_PLAIN_ARGUMENTS = ("local_channels", "num_speakers", "speaker_channels", "seed")


@keras.saving.register_keras_serializable("tfwavenet")
class WaveNet(AudioModel):
    """A WaveNet: an autoregressive network of dilated causal convolutions over audio samples.

    Or over characters: with a text recipe and a `Categorical` of as many classes, `"audio"` holds
    the codes of a text, and samples are characters.

    Unconditional, or conditioned on acoustic features (with an `upsampler`), on a speaker (with
    `speaker_channels`), or on both. What it predicts of the next sample is a `distribution`; the
    same object says whether audio goes in as integer codes (categorical) or as it is.

    Batches, in `fit` and elsewhere, are dictionaries:

    - `"audio"`: float32 [batch, samples] in [-1, 1], or int32 codes for a categorical output;
    - `"mel"`: float32 [batch, frames + 2 * padding_frames, local_channels], with an upsampler;
    - `"speaker"`: int32 [batch], or float32 [batch, speaker_channels], with `speaker_channels`;
    - `"mask"`: bool [batch, samples], optional: True for the samples that count in the loss.

    Args:
        num_layers: number of residual blocks, positive.
        dilation_cycle: block i has dilation `2 ** (i % dilation_cycle)`.
        residual_channels: channels of the residual path.
        skip_channels: channels of the skip path.
        gate_channels: channels before the gate, even; half of it behind.
        kernel_size: taps of the dilated convolutions.
        distribution: of the next sample, as `distributions.get` takes it.
        input_kernel_size: taps of the first convolution, 1 or more.
        input_bias: whether the first convolution has a bias.
        input_activation: after the first convolution, as Keras takes it.
        head_channels: between the two convolutions of the head; None for `skip_channels`.
        head_bias: whether the convolutions of the head have biases.
        residual_scale: factor of the residual path at each block.
        last_residual: whether the last block has the residual projection that nobody reads, as
            some checkpoints have; it is not trained.
        skip_mode: "sum" of the blocks' skips, "scaled" by `sqrt(1 / num_layers)`, or "recursive":
            `(sum so far + skip) * sqrt(1/2)` from the second block on.
        upsampler: layer, or its serialized form; None for a network without features.
        local_channels: feature channels; None for the recipe's `n_mels`.
        project_local: False for features that are the conditioning of each block already:
            `gate_channels` for the first block, then those for the second, and so on.
        num_speakers: how many; None where speaker vectors come from elsewhere.
        speaker_channels: size of a speaker vector; None for a network without speakers.
        local_bias: whether the projections of the features have biases.
        global_bias: whether the projections of the speakers have biases.
        weight_norm: whether convolutions are weight normalized.
        head_weight_norm: the same of the head; None for `weight_norm`.
        dropout: rate of dropout before each dilated convolution.
        recipe: of features and waveform, or of text, as `recipes.of_any_kind` takes it; saved with the
            model.
        seed: of dropout.

    Call arguments:
        inputs: a batch; `"audio"` holds the past.
        training: whether dropout is active.

    Returns:
        float32 [batch, samples, distribution.channels]: at index t the parameters of the
        distribution of the sample that follows `audio[:, t]`, under the features at t.

    Raises:
        ValueError: if arguments contradict each other, such as the scales of upsampler and recipe.

    Examples:
        >>> model = WaveNet(num_layers=4, dilation_cycle=2, distribution="Categorical")
        >>> model.compile(keras.optimizers.Adam(1e-3))
        >>> audio = tf.sin(tf.range(1000.0) / 10)[tf.newaxis]
        >>> history = model.fit(tf.data.Dataset.from_tensors({"audio": audio}), verbose=0)
        >>> model.generate(samples=100).shape
        (1, 100)

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499; as a vocoder: Tamamori et al.,
    Interspeech 2017, and Shen et al., "Tacotron 2", arXiv:1712.05884, section 2.3.
    """

    def __init__(
        self,
        *,
        num_layers: int = 20,
        dilation_cycle: int = 10,
        residual_channels: int = 64,
        gate_channels: int = 128,
        skip_channels: int = 256,
        kernel_size: int = 2,
        distribution: Any = "Categorical",
        input_kernel_size: int = 1,
        input_bias: bool = True,
        input_activation: Any = None,
        head_channels: int | None = None,
        head_bias: bool = True,
        residual_scale: float = math.sqrt(0.5),
        last_residual: bool = False,
        skip_mode: SkipMode = "scaled",
        upsampler: Any = None,
        local_channels: int | None = None,
        project_local: bool = True,
        local_bias: bool = False,
        num_speakers: int | None = None,
        speaker_channels: int | None = None,
        global_bias: bool = False,
        weight_norm: bool = True,
        head_weight_norm: bool | None = None,
        dropout: float = 0.0,
        recipe: Any = None,
        seed: int = 0,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.distribution = distributions.get(distribution)
        self.input_activation = activations.get(input_activation)
        self.upsampler = upsamplers.get(upsampler)
        self.recipe = None if recipe is None else recipes.of_any_kind(recipe)
        self.codec = codecs.get(self.distribution, self.recipe)
        if self.writes_text and self.upsampler is not None:
            raise ValueError(
                "A network over text takes no acoustic features. "
                f"Received: upsampler={type(self.upsampler).__name__}"
            )
        self.local_channels = self._feature_channels(local_channels)
        self.num_speakers = num_speakers
        self.speaker_channels = speaker_channels
        self.seed = seed
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.kernel_size = kernel_size
        self.input_kernel_size = input_kernel_size
        self.input_bias = input_bias
        self.head_channels = head_channels
        self.head_bias = head_bias
        self.residual_scale = residual_scale
        self.last_residual = last_residual
        self.skip_mode = skip_mode
        self.project_local = project_local
        self.local_bias = local_bias
        self.global_bias = global_bias
        self.weight_norm = weight_norm
        self.head_weight_norm = head_weight_norm
        self.dropout = dropout
        self.network = WaveNetStack(
            self.distribution.channels,
            input_codes=self.codec.num_codes,
            input_activation=input_activation,
            local_channels=self.local_channels,
            global_channels=speaker_channels,
            dtype=self.dtype_policy,
            name="network",
            **{name: getattr(self, name) for name in _OF_NETWORK},
        )
        self.speaker_embedding = self._embedding_layer()
        # Past Keras' tracking: checkpoints hold what the mean is of already.
        self.__dict__["_bits"] = keras.metrics.Mean(name="bits_per_sample")

    computes_in_parallel = False

    # The layers under the names by which saved models hold them.

    @property
    def input_conv(self) -> keras.layers.Layer:
        """Input convolution of the network."""
        return self.network.input_conv

    @property
    def blocks(self) -> list[Any]:
        """Residual blocks of the network."""
        return self.network.blocks

    @property
    def head(self) -> list[keras.layers.Layer]:
        """Both convolutions of the network's head."""
        return self.network.head

    @property
    def receptive_field(self) -> int:
        """Number of past samples that a prediction depends on."""
        return self.network.receptive_field

    @property
    def loss_name(self) -> str:
        """Name of the quantity that `nll` returns."""
        return "negative log-likelihood"

    @property
    def loss_unit(self) -> str:
        """Unit of `nll`."""
        return "nats"

    @property
    def loss_is_discrete(self) -> bool:
        """Whether the likelihood is the one of a discrete distribution."""
        return bool(self.distribution.discrete)

    def describe_output(self) -> str:
        """Describes for people what the network predicts."""
        return repr(self.distribution)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Predicts the sample behind each sample of a batch, in parallel."""
        values = self.codec.encode(inputs["audio"])
        local = self._local(inputs, values.shape[1])
        return self.network(
            values,
            local_inputs=local,
            global_inputs=self._speaker(inputs),
            dropout_seed=self._dropout_seed(training),
        )

    def _dropout_seed(self, training: bool | None) -> tf.Tensor | None:
        if not training or not self.network.dropout:
            return None
        # A zero in place of the replica's number, which was part of the seed once.
        return rng.fold_in(rng.fold_in(rng.make_seed(self.seed), self.training_step()), 0)

    def previous_values(self, values: tf.Tensor) -> tf.Tensor:
        """Returns values [batch, samples] delayed by one sample; silence comes first."""
        first = self.codec.initial_values(tf.shape(values)[0])
        return tf.concat([first[:, tf.newaxis], values[:, :-1]], axis=1)

    def nll(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Computes the negative log-likelihood of each sample given the samples before it.

        Args:
            batch: see the class; `"mask"` does not matter here.
            training: whether dropout is active.

        Returns:
            float32 [batch, samples], in nats. The likelihood of a distribution that is not
            discrete is a density, so that the result may be negative.
        """
        values = self.codec.encode(batch["audio"])
        params = self({**batch, "audio": self.previous_values(values)}, training=training)
        return -self.distribution.log_prob(params, values)

    def sample_loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Computes the negative log-likelihood, see `nll`."""
        return self.nll(batch, training)

    def _loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        nll = self.sample_loss(batch, training)
        if self.loss_is_discrete:
            self._mean(nll / math.log(2), batch, self.__dict__["_bits"])
        return self._mean(nll, batch, self.loss_tracker)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that Keras resets at each epoch."""
        return [*super().metrics, *([self.__dict__["_bits"]] if self.loss_is_discrete else [])]

    def initial_state(self, batch_size: int | tf.Tensor) -> Any:
        """Returns the state of the network before the first sample."""
        return self.network.initial_state(batch_size)

    def merged_state(self, rows: tf.Tensor, state: Any, other: Any) -> Any:
        """Returns `state` for the rows bool [batch] that are True, `other` for the others."""
        return self.network.merged_state(rows, state, other)

    def advance(
        self, state: dict[str, Any], window: dict[str, tf.Tensor], **given: Any
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """Generates a chunk of samples, one after the other; see `generation.chunk.advance`."""
        return chunk.advance(self, state, window, **given)

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
        prompt_sample_rate: int | None = None,
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
                list of [frames, channels] of any lengths; None for a network without features.
                Upsamplers look ahead: the audio of the first frames alone differs near its end
                from the beginning of the audio of all frames. For audio in parts use `stream`.
            speaker: number of the speaker, or one per utterance, or vectors
                [batch, speaker_channels].
            samples: int >= 1, number of samples to generate; required without features.
            seed: seed of the first utterance, the i-th one takes `seed + i`; or one per utterance.
            temperature: see `generation.Sampler`.
            top_k: see `generation.Sampler`; for networks that predict codes.
            top_p: see `generation.Sampler`; for networks that predict codes.
            prompt: recording that precedes the generated samples: float [samples] or
                [batch, samples], full scale is 1; or codes of the network, integers. With
                features, which cover the prompt too, the last part of a frame is left out.
            prompt_sample_rate: sample rate of the prompt in Hz. If None, `sample_rate`.
            chunk_samples: samples per call of the program, rounded to whole frames.
            batch_size: number of utterances that are generated at a time; as one ends, another
                begins in its place. If None, the number that is fastest for these lengths, at
                most 32 a core; without XLA or on a GPU, all utterances, at most 64.
            fold_frames: cuts each utterance into pieces of this many frames (samples, for a
                network without features), which are generated at the same time: faster, but not
                the same audio. If None, utterances stay whole.
            overlap_frames: number of frames by which each piece begins early. The first half of
                them, under the true features, replaces the missing past and is left out; over
                the second half the piece is faded in.
            on_chunk: called, by one thread at a time, with the new audio of each utterance: a list
                of float32 arrays, empty for utterances that have ended or not begun.
            jit_compile: whether XLA compiles the program.

        Returns:
            float32 audio in [-1, 1] at `sample_rate`: [samples] for the mel of one utterance, a
            list for a list, otherwise [batch, samples]. For text, codes, int32.

        Raises:
            ValueError: If inputs do not fit this network or each other, or are not finite.
        """
        self.ensure_built()
        request = generation.Request.create(
            self,
            mel=mel,
            speaker=speaker,
            samples=samples,
            seed=seed,
            prompt=prompt,
            prompt_sample_rate=prompt_sample_rate,
        )
        utterances = generation.generate(
            self,
            request,
            sampler=Sampler(temperature, top_k, top_p),
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
        if not self.writes_text:
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

        The arguments are documented at `generation.Stream`.

        Examples:
            >>> model = WaveNet(num_layers=4, dilation_cycle=2)
            >>> audio = model.stream(seed=1).pull(500)
        """
        self.ensure_built()
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
        """Continues a stream that `generation.Stream.save` stored, see `Stream.load`."""
        return generation.Stream.load(self, path)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in (*_OF_NETWORK, *_PLAIN_ARGUMENTS)},
            "distribution": keras.saving.serialize_keras_object(self.distribution),
            "input_activation": keras.activations.serialize(self.input_activation),
            "upsampler": upsamplers.serialize(self.upsampler),
            "recipe": None if self.recipe is None else self.recipe.get_config(),
        }
