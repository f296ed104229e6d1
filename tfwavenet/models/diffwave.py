"""DiffWave as a Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import diffusion, generation
from tfwavenet.audio import recipes
from tfwavenet.layers import (
    CenteredConv1D,
    DiffusionResidualBlock,
    DiffusionStepEmbedding,
    WeightNormalization,
)
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.layers.step_embedding import FrequencyOrder
from tfwavenet.models.denoising import Denoiser, Loss, Prior

# Those that `get_config` returns as they are.
_PLAIN_ARGUMENTS = (
    "dilation_cycle",
    "residual_channels",
    "kernel_size",
    "step_channels",
    "step_order",
    "step_in_residual",
    "loss_norm",
    "prior",
    "upsampler_per_block",
    "local_channels",
    "num_speakers",
    "speaker_channels",
    "weight_norm",
    "seed",
)

DEFAULT_SCHEDULE = {"steps": 50, "first": 1e-4, "last": 0.05}


@tf.keras.saving.register_keras_serializable("tfwavenet")
class DiffWave(Denoiser):
    """A DiffWave: predicts the noise in a noisy recording, and so makes audio out of noise.

    Unconditional, or conditioned on acoustic features (with an `upsampler`), on a speaker or any
    other class (with `speaker_channels`), or on both.

    Batches, in `fit` and elsewhere, are dictionaries:

    - `"audio"`: float32 [batch, samples] in [-1, 1];
    - `"mel"`: float32 [batch, frames + 2 * padding_frames, local_channels], with an upsampler;
    - `"speaker"`: int32 [batch], or float32 [batch, speaker_channels], with `speaker_channels`;
    - `"mask"`: bool [batch, samples], optional: True for the samples that are part of the
      recording; the network treats others as lying beyond its ends.

    Args:
        num_layers: number of residual blocks, positive.
        dilation_cycle: block i has dilation `2 ** (i % dilation_cycle)`.
        residual_channels: channels of the residual and the skip paths.
        kernel_size: taps of the dilated convolutions, odd.
        schedule: of training, as `diffusion.get` takes it.
        inference_schedule: of `generate`, unless it is given another; None for `schedule`.
        loss_norm: "l1" or "l2": absolute or squared error of the predicted noise.
        prior: the noise that diffusion ends in. "standard": of variance 1 everywhere; a number: of
            that standard deviation, best that of the signal, so that it is not drowned in the
            first steps; "energy": of the level that the features have there (PriorGrad), so that
            quiet sounds are not either, which takes an upsampler and a recipe. With the last two
            go schedules that leave hardly any signal, such as `{"steps": 50, "first": 1e-4,
            "last": 0.2}`.
        step_channels: of the embedding of the diffusion step.
        step_order: of its frequencies, see `DiffusionStepEmbedding`.
        step_in_residual: whether the residual path keeps the step's projection.
        upsampler: layer, or its serialized form; None for a network without features.
        upsampler_per_block: whether each block has an upsampler of its own, like `upsampler`.
        local_channels: feature channels; None for the recipe's `n_mels`.
        num_speakers: how many; None where speaker vectors come from elsewhere.
        speaker_channels: size of a speaker vector; None for a network without speakers.
        weight_norm: whether convolutions are weight normalized.
        recipe: of features and waveform, as `recipes.get` takes it; saved with the model.
        seed: of the noise and the steps that training draws.

    Call arguments:
        inputs: a batch whose `"audio"` is noisy, with `"step"`, int or float [batch]: how many
            steps of `schedule` it lies behind the first.

    Returns:
        float32 [batch, samples]: the predicted noise.

    Raises:
        ValueError: if arguments contradict each other, such as the scales of upsampler and recipe.

    Example:
        >>> model = DiffWave(num_layers=4, dilation_cycle=2, residual_channels=8)
        >>> model.compile(tf.keras.optimizers.Adam(2e-4))
        >>> audio = tf.sin(tf.range(1000.0) / 10)[tf.newaxis]
        >>> history = model.fit(tf.data.Dataset.from_tensors({"audio": audio}), verbose=0)
        >>> model.generate(samples=100, schedule=[1e-4, 1e-2, 0.5]).shape
        (1, 100)

    Source: Kong et al., "DiffWave: A Versatile Diffusion Model for Audio Synthesis",
    arXiv:2009.09761; the defaults are those of lmnt-com/diffwave. Lee et al., "PriorGrad",
    arXiv:2106.06406, section 3, for the prior.
    """

    def __init__(
        self,
        *,
        num_layers: int = 30,
        dilation_cycle: int = 10,
        residual_channels: int = 64,
        kernel_size: int = 3,
        schedule: Any = DEFAULT_SCHEDULE,
        inference_schedule: Any = None,
        loss_norm: Loss = "l1",
        prior: Prior | float = "standard",
        step_channels: int = 512,
        step_order: FrequencyOrder = "ascending",
        step_in_residual: bool = False,
        upsampler: Any = None,
        upsampler_per_block: bool = False,
        local_channels: int | None = None,
        num_speakers: int | None = None,
        speaker_channels: int | None = None,
        weight_norm: bool = False,
        recipe: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("num_layers", num_layers), ("dilation_cycle", dilation_cycle)):
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.kernel_size = kernel_size
        self.schedule = diffusion.get(schedule)
        self.inference_schedule = inference_schedule
        self.loss_norm = loss_norm
        self.prior = prior
        self.step_channels = step_channels
        self.step_order = step_order
        self.step_in_residual = step_in_residual
        self.upsampler = upsamplers.get(upsampler)
        self.upsampler_per_block = upsampler_per_block
        self.recipe = None if recipe is None else recipes.get(recipe)
        self.local_channels = self._feature_channels(local_channels)
        self._check_objective()
        self.num_speakers = num_speakers
        self.speaker_channels = speaker_channels
        self.weight_norm = weight_norm
        self.seed = seed
        self._create_layers()

    def _create_layers(self) -> None:
        # The noisy signal and the noise are kept in float32, whatever the policy.
        self.input_conv = self._conv(self.residual_channels, dtype="float32")
        self.step_embedding = DiffusionStepEmbedding(
            len(self.schedule.betas), self.step_channels, order=self.step_order, dtype="float32"
        )
        self.blocks = [self._block(index) for index in range(self.num_layers)]
        self.further_upsamplers = self._further_upsamplers()
        self.skip_conv = self._conv(self.residual_channels)
        self.output_conv = CenteredConv1D(1, 1, kernel_initializer="zeros", dtype="float32")
        self.speaker_embedding = self._embedding_layer()

    def _conv(self, filters: int, **kwargs: Any) -> tf.keras.layers.Layer:
        kwargs.setdefault("dtype", self.dtype_policy)
        layer = CenteredConv1D(filters, 1, kernel_initializer="he_normal", **kwargs)
        return WeightNormalization(layer) if self.weight_norm else layer

    def _block(self, index: int) -> DiffusionResidualBlock:
        return DiffusionResidualBlock(
            self.residual_channels,
            self.residual_channels,
            self.step_channels,
            kernel_size=self.kernel_size,
            dilation_rate=2 ** (index % self.dilation_cycle),
            residual_output=index < self.num_layers - 1,
            local_channels=self.local_channels,
            global_channels=self.speaker_channels,
            step_in_residual=self.step_in_residual,
            weight_norm=self.weight_norm,
            dtype=self.dtype_policy,
            name=f"block_{index}",
        )

    def _further_upsamplers(self) -> list[Any]:
        """Those of all blocks but the first, which has `upsampler`."""
        if self.upsampler is None or not self.upsampler_per_block:
            return []
        cls, config = type(self.upsampler), self.upsampler.get_config()
        return [
            cls.from_config({**config, "name": f"upsampler_{index}"})
            for index in range(1, self.num_layers)
        ]

    def _upsampled(self, upsample: Callable[[Any], tf.Tensor]) -> list[tf.Tensor | None]:
        if not self.further_upsamplers:
            return super()._upsampled(upsample)
        return [upsample(one) for one in (self.upsampler, *self.further_upsamplers)]

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; the shape of the batch does not matter."""
        self.input_conv.build([None, None, 1])
        self.step_embedding.build([None])
        for upsampler in self.further_upsamplers:
            upsampler.build([None, None, self.local_channels])
        for block in self.blocks:
            block.build([None, None, self.residual_channels])
        self.skip_conv.build([None, None, self.residual_channels])
        self.output_conv.build([None, None, self.residual_channels])
        super().build(input_shape)

    @property
    def receptive_field(self) -> int:
        """Number of samples that one prediction of the noise depends on."""
        return 2 * self.reach + 1

    @property
    def reach(self) -> int:
        """How many samples ahead, and how many back, one prediction of the noise depends on."""
        return sum(block.reach for block in self.blocks)

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """The noise in `inputs["audio"]`."""
        del training  # the network is the same
        local, speaker = self._local(inputs), self._speaker(inputs)
        conditioning = [block.conditioning(x, speaker) for block, x in zip(self.blocks, local)]
        return self.predict_noise(
            inputs["audio"], inputs["step"], conditioning, mask=inputs.get("mask")
        )

    def predict_noise(
        self,
        audio: tf.Tensor,
        step: tf.Tensor,
        conditioning: Sequence[tf.Tensor | None],
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The network behind `call`.

        Args:
            audio: float32 [batch, samples], noisy.
            step: int or float [batch].
            conditioning: from `conditioning`.
            mask: bool [batch, samples], False beyond the ends of the signal.

        Returns:
            float32 [batch, samples].
        """
        dtype = self.compute_dtype
        x = tf.cast(tf.nn.relu(self.input_conv(audio[..., tf.newaxis])), dtype)
        embedded = self.step_embedding(step)
        inside = None if mask is None else tf.cast(mask, dtype)[..., tf.newaxis]
        carried = tf.pad(x, [[0, 0], [0, 0], [0, self.residual_channels]])
        for index, (block, given) in enumerate(zip(self.blocks, conditioning)):
            carried = block.advance(carried, embedded, given, inside, gain=2 ** (index / 2))
        y = tf.nn.relu(self.skip_conv(carried * math.sqrt(1 / self.num_layers)))
        return self.output_conv(y)[..., 0]

    def generate(
        self,
        mel: Any = None,
        *,
        speaker: Any = None,
        samples: int | None = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        schedule: Any = None,
        eta: float = 1.0,
        clip: bool = True,
        chunk_samples: int = 49152,
        batch_size: int | None = None,
        on_step: Callable[[int, int], None] | None = None,
        on_chunk: Callable[[list[np.ndarray]], None] | None = None,
        jit_compile: bool | None = None,
    ) -> Any:
        """Makes audio out of noise, in the steps of a schedule.

        Equal seeds give equal audio up to rounding: whole, in chunks of any size, alone or in a
        batch.

        Args:
            mel: features [frames, channels] of one utterance, [batch, frames, channels], or a
                list of [frames, channels] of any lengths. None for a network without.
            speaker: number of the speaker, or one per utterance, or vectors
                [batch, speaker_channels].
            samples: how many to generate; for networks without features, required.
            seed: of the first utterance, the i-th one takes `seed + i`; or one per utterance.
            temperature: factor of all noise, 0 or more.
            schedule: as `diffusion.get` takes it; None for `inference_schedule`.
            eta: 1 for ancestral, 0 for deterministic sampling (DDIM), or between.
            clip: whether the signal is clipped to [-1, 1] after every step; not with
                `prior="energy"`, where it is in other units until the last.
            chunk_samples: longer audio is computed in equal chunks of about this size at most, so
                that memory stays bounded. The result is the same.
            batch_size: how many utterances are generated at a time, those of similar length
                together. None for all.
            on_step: called with the number of steps done and of all, after each, for each batch.
            on_chunk: called at the end of each batch with the audio of each utterance, a list of
                float32 arrays that are empty for those of other batches.
            jit_compile: whether XLA compiles the network; None for only on a
                GPU, where it is faster.

        Returns:
            float32 audio in [-1, 1] as `recipe` converts it: [samples] for one utterance's mel,
            a list for a list, otherwise [batch, samples].

        Raises:
            ValueError: if inputs do not fit this network or each other, or are not finite.
        """
        request = generation.Request.create(
            self, mel=mel, speaker=speaker, samples=samples, seed=seed, prompt=None
        )
        chosen = self.inference_schedule if schedule is None else diffusion.get(schedule)
        utterances = generation.denoise(
            self,
            request,
            schedule=chosen or self.schedule,
            eta=eta,
            temperature=temperature,
            clip=clip,
            chunk_samples=chunk_samples,
            batch_size=batch_size,
            on_step=on_step,
            on_chunk=on_chunk,
            jit_compile=jit_compile,
        )
        return self._like(mel, utterances)

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments."""
        chosen = self.inference_schedule
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _PLAIN_ARGUMENTS},
            "num_layers": self.num_layers,
            "schedule": list(self.schedule.betas),
            "inference_schedule": None if chosen is None else list(chosen.betas),
            "upsampler": upsamplers.serialize(self.upsampler),
            "recipe": None if self.recipe is None else self.recipe.get_config(),
        }
