"""WaveNet as a Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import tensorflow as tf

from tfwavenet import distributions, rng
from tfwavenet.audio import recipes
from tfwavenet.layers import (
    CausalConv1D,
    CodeConv1D,
    GatedResidualBlock,
    WeightNormalization,
)
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.models.autoregressive import AutoregressiveModel

# Those that `get_config` returns as they are.
_PLAIN_ARGUMENTS = (
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
    "local_channels",
    "project_local",
    "local_bias",
    "num_speakers",
    "speaker_channels",
    "global_bias",
    "weight_norm",
    "head_weight_norm",
    "dropout",
    "seed",
)

SkipMode = Literal["sum", "scaled", "recursive"]


@tf.keras.saving.register_keras_serializable("tfwavenet")
class WaveNet(AutoregressiveModel):
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
        residual_channels, skip_channels: channels of these paths.
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
        local_bias, global_bias: whether the features' and the speakers' projections have biases.
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

    Example:
        >>> model = WaveNet(num_layers=4, dilation_cycle=2, distribution="Categorical")
        >>> model.compile(tf.keras.optimizers.Adam(1e-3))
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check(
            skip_mode, num_layers=num_layers, dilation_cycle=dilation_cycle, kernel_size=kernel_size
        )
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.kernel_size = kernel_size
        self.distribution = distributions.get(distribution)
        self.input_kernel_size = input_kernel_size
        self.input_bias = input_bias
        self.input_activation = tf.keras.activations.get(input_activation)
        self.head_channels = head_channels
        self.head_bias = head_bias
        self.residual_scale = residual_scale
        self.last_residual = last_residual
        self.skip_mode = skip_mode
        self._skip_scale = math.sqrt(1 / num_layers) if skip_mode == "scaled" else 1.0
        self.upsampler = upsamplers.get(upsampler)
        self.recipe = None if recipe is None else recipes.of_any_kind(recipe)
        self._check_text()
        self.local_channels = self._feature_channels(local_channels)
        self.project_local = project_local
        if not project_local and self.local_channels != num_layers * gate_channels:
            raise ValueError(
                f"Expected {num_layers * gate_channels} feature channels, which are not projected. "
                f"Received: local_channels={self.local_channels}"
            )
        self.local_bias = local_bias
        self.num_speakers = num_speakers
        self.speaker_channels = speaker_channels
        self.global_bias = global_bias
        self.weight_norm = weight_norm
        self.head_weight_norm = weight_norm if head_weight_norm is None else head_weight_norm
        self.dropout = dropout
        self.seed = seed
        self._create_layers()

    def _create_layers(self) -> None:
        self.input_conv = self._input_layer()
        self.blocks = [self._block(index) for index in range(self.num_layers)]
        if self.last_residual:
            # No loss depends on it.
            cast(tf.keras.layers.Layer, self.blocks[-1].residual_projection).trainable = False
        self.head = [self._head_layer(self.head_channels or self.skip_channels)]
        self.head.append(self._output_layer())
        self.speaker_embedding = self._embedding_layer()

    def _input_layer(self) -> tf.keras.layers.Layer:
        # In float32 whatever the policy: half precision would lose the low bits of the audio.
        settings = {"use_bias": self.input_bias, "activation": self.input_activation}
        settings.update(kernel_size=self.input_kernel_size, dtype="float32")
        if self.takes_codes:
            layer = CodeConv1D(self.residual_channels, self.distribution.channels, **settings)
        else:
            layer = CausalConv1D(self.residual_channels, **settings)
        return WeightNormalization(layer) if self.weight_norm else layer

    def _block(self, index: int) -> GatedResidualBlock:
        return GatedResidualBlock(
            self.residual_channels,
            self.gate_channels,
            self.skip_channels,
            kernel_size=self.kernel_size,
            dilation_rate=2 ** (index % self.dilation_cycle),
            residual_scale=self.residual_scale,
            residual_output=self.last_residual or index < self.num_layers - 1,
            local_channels=self.local_channels if self.project_local else self.gate_channels,
            project_local=self.project_local,
            global_channels=self.speaker_channels,
            local_bias=self.local_bias,
            global_bias=self.global_bias,
            weight_norm=self.weight_norm,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name=f"block_{index}",
        )

    def _head_layer(self, filters: int, **kwargs: Any) -> tf.keras.layers.Layer:
        kwargs.setdefault("dtype", self.dtype_policy)
        layer = CausalConv1D(filters, 1, use_bias=self.head_bias, **kwargs)
        return WeightNormalization(layer) if self.head_weight_norm else layer

    def _output_layer(self, **kwargs: Any) -> tf.keras.layers.Layer:
        return self._head_layer(self.distribution.channels, dtype="float32", **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; the shape of the batch does not matter."""
        self.input_conv.build([None, None] if self.takes_codes else [None, None, 1])
        for block in self.blocks:
            block.build([None, None, self.residual_channels])
        self.head[0].build([None, None, self.skip_channels])
        self.head[1].build([None, None, self.head_channels or self.skip_channels])
        super().build(input_shape)

    @property
    def receptive_field(self) -> int:
        """Number of past samples that a prediction depends on."""
        dilated = sum(block.receptive_field - 1 for block in self.blocks)
        return dilated + self.input_kernel_size

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """The whole sequence in parallel."""
        seed = self._dropout_seed(training)
        local, speaker = self._local(inputs), self._speaker(inputs)
        skips, _ = self._run_blocks(self.to_values(inputs["audio"]), local, speaker, seed)
        return self._head(skips)

    def _run_blocks(
        self,
        values: tf.Tensor,
        local: list[tf.Tensor | None],
        speaker: tf.Tensor | None,
        dropout_seed: tf.Tensor | None = None,
        past: list[tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The sum of the skips, and what the first convolution and each block were given."""
        past = [None] * self.num_layers if past is None else past
        layer_inputs = [self._network_input(values)]
        x = tf.cast(self.input_conv(layer_inputs[0]), self.compute_dtype)
        skips = None
        for index, block in enumerate(self.blocks):
            layer_inputs.append(x)
            seed = None if dropout_seed is None else rng.fold_in(dropout_seed, index)
            x, skip = block(
                x,
                local_inputs=local[index],
                global_inputs=speaker,
                dropout_seed=seed,
                past_inputs=past[index],
            )
            skips = self._add_skip(skips, skip)
        return skips, layer_inputs

    def _upsampled(self, upsample: Callable[[Any], tf.Tensor]) -> list[tf.Tensor | None]:
        if self.project_local:
            return super()._upsampled(upsample)
        return tf.split(upsample(self.upsampler), self.num_layers, axis=-1)

    def _network_input(self, values: tf.Tensor) -> tf.Tensor:
        return values if self.takes_codes else values[..., tf.newaxis]

    def _add_skip(self, skips: Any, skip: Any) -> Any:
        if skips is None:
            return skip
        total = skips + skip
        return total * math.sqrt(0.5) if self.skip_mode == "recursive" else total

    def _head(self, skips: tf.Tensor) -> tf.Tensor:
        return self.head[1](tf.nn.relu(self.head[0](tf.nn.relu(skips * self._skip_scale))))

    def initial_state(self, batch_size: int) -> list[Any]:
        """The state before the first sample: as if zeros had gone before."""
        return [layer.initial_state(batch_size) for layer in (self.input_conv, *self.blocks)]

    def state_after(
        self,
        values: tf.Tensor,
        mel: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
        speaker: tf.Tensor | None = None,
    ) -> list[Any]:
        """The state that steps over `values` [batch, samples] leave.

        The features and the speaker are as `conditioning` takes them.
        """
        local, speaker = self.local_features(mel, mask), self.speaker_vectors(speaker)
        _, layer_inputs = self._run_blocks(values, local, speaker)
        layers = (self.input_conv, *self.blocks)
        return [layer.state_after(given) for layer, given in zip(layers, layer_inputs)]

    def folded_weights(self) -> dict[str, Any]:
        """The weights as `step` takes them, to be computed once for many steps."""
        return {
            "input": self.input_conv.folded_weights(),
            "blocks": [block.folded_weights() for block in self.blocks],
            "head": [layer.folded_weights() for layer in self.head],
        }

    def step(
        self,
        value_t: tf.Tensor,
        state: list[Any],
        conditioning_t: list[tf.Tensor | None] | None = None,
        weights: dict[str, Any] | None = None,
    ) -> tuple[tf.Tensor, list[Any]]:
        """One time step.

        Args:
            value_t: [batch], a sample or code.
            state: from `initial_state`, `state_after` or the step before.
            conditioning_t: for each block [batch, gate_channels], this step of `conditioning`.
            weights: from `folded_weights`.

        Returns:
            Parameters [batch, distribution.channels] of the sample that follows, and the state.
        """
        weights = self.folded_weights() if weights is None else weights
        conditioning_t = conditioning_t or [None] * len(self.blocks)
        x, after = self.input_conv.step(self._network_input(value_t), state[0], weights["input"])
        states, y = [after], cast(Any, None)
        rows = zip(self.blocks, state[1:], conditioning_t, weights["blocks"])
        for block, before, conditioning, block_weights in rows:
            (x, skip), after = block.step(x, before, conditioning, block_weights)
            states.append(after)
            y = self._add_skip(y, skip)
        y = y * self._skip_scale
        for layer, layer_weights in zip(self.head, weights["head"]):
            y, _ = layer.step(tf.nn.relu(y), (), layer_weights)
        return y, states

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _PLAIN_ARGUMENTS},
            "num_layers": self.num_layers,
            "distribution": tf.keras.saving.serialize_keras_object(self.distribution),
            "input_activation": tf.keras.activations.serialize(self.input_activation),
            "upsampler": upsamplers.serialize(self.upsampler),
            "recipe": None if self.recipe is None else self.recipe.get_config(),
        }


def _check(skip_mode: str, **counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
    if skip_mode not in get_args(SkipMode):
        raise ValueError(
            f"`skip_mode` must be one of {get_args(SkipMode)}. Received: skip_mode={skip_mode!r}"
        )
