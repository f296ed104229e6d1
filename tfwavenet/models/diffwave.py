"""DiffWave as a Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from tfwavenet import diffusion, generation, rng
from tfwavenet.audio import level, recipes
from tfwavenet.codecs import Linear
from tfwavenet.generation import Sampler
from tfwavenet.layers import replicas
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.layers.diffwave_stack import DiffWaveStack
from tfwavenet.layers.step_embedding import FrequencyOrder
from tfwavenet.models.audio_model import AudioModel

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

Loss = Literal["l1", "l2"]
Prior = Literal["standard", "energy"]

# Arguments that the network takes under the same names.
_OF_NETWORK = (
    "num_layers",
    "dilation_cycle",
    "residual_channels",
    "kernel_size",
    "step_channels",
    "step_order",
    "step_in_residual",
    "weight_norm",
)
# Further arguments that `get_config` returns as they are.
_PLAIN_ARGUMENTS = (
    "loss_norm",
    "prior",
    "upsampler_per_block",
    "local_channels",
    "num_speakers",
    "speaker_channels",
    "seed",
)

DEFAULT_SCHEDULE = {"steps": 50, "first": 1e-4, "last": 0.05}

# The least level of `prior="energy"`, 54 dB below full scale: silence is not blown up.
_LEAST_LEVEL = 2e-3


@keras.saving.register_keras_serializable("tfwavenet")
class DiffWave(AudioModel):
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

    Examples:
        >>> model = DiffWave(num_layers=4, dilation_cycle=2, residual_channels=8)
        >>> model.compile(keras.optimizers.Adam(2e-4))
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
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.schedule = diffusion.get(schedule)
        self.inference_schedule = inference_schedule
        self.loss_norm = loss_norm
        self.prior = prior
        self.codec = Linear()
        self.upsampler = upsamplers.get(upsampler)
        self.upsampler_per_block = upsampler_per_block
        self.recipe = None if recipe is None else recipes.get(recipe)
        self.local_channels = self._feature_channels(local_channels)
        self._check_objective()
        self.num_speakers = num_speakers
        self.speaker_channels = speaker_channels
        self.seed = seed
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.kernel_size = kernel_size
        self.step_channels = step_channels
        self.step_order = step_order
        self.step_in_residual = step_in_residual
        self.weight_norm = weight_norm
        self.network = DiffWaveStack(
            len(self.schedule.betas),
            local_channels=self.local_channels,
            global_channels=speaker_channels,
            further_upsamplers=self._further_upsamplers(num_layers),
            dtype=self.dtype_policy,
            name="network",
            **{name: getattr(self, name) for name in _OF_NETWORK},
        )
        self.speaker_embedding = self._embedding_layer()

    def _further_upsamplers(self, num_layers: int) -> list[Any]:
        """Returns the upsamplers of all blocks but the first, which has `upsampler`."""
        if self.upsampler is None or not self.upsampler_per_block:
            return []
        cls, config = type(self.upsampler), self.upsampler.get_config()
        return [
            cls.from_config({**config, "name": f"upsampler_{index}"})
            for index in range(1, num_layers)
        ]

    def _check_objective(self) -> None:
        if self.loss_norm not in get_args(Loss):
            raise ValueError(
                f"`loss_norm` must be one of {get_args(Loss)}. "
                f"Received: loss_norm={self.loss_norm!r}"
            )
        number = isinstance(self.prior, (int, float)) and 0 < self.prior < math.inf
        if not number and self.prior not in get_args(Prior):
            raise ValueError(
                f"`prior` must be one of {get_args(Prior)} or a positive number. "
                f"Received: prior={self.prior!r}"
            )
        if self.prior == "energy" and (self.upsampler is None or self.recipe is None):
            missing = "upsampler" if self.upsampler is None else "recipe"
            raise ValueError(
                'prior="energy" is computed from features, which takes an `upsampler` and a '
                f"`recipe`. Received: {missing}=None"
            )
        if self.prior == "energy" and self.recipe.features == "given":
            raise ValueError(
                'prior="energy" is computed from mels. Received: a recipe with features="given"'
            )

    # The layers under the names by which saved models hold them.

    @property
    def input_conv(self) -> keras.layers.Layer:
        """Input convolution of the network."""
        return self.network.input_conv

    @property
    def step_embedding(self) -> keras.layers.Layer:
        """Embedding of the diffusion step."""
        return self.network.step_embedding

    @property
    def blocks(self) -> list[Any]:
        """Residual blocks of the network."""
        return self.network.blocks

    @property
    def further_upsamplers(self) -> list[Any]:
        """Upsamplers of all blocks but the first, where each block has one."""
        return self.network.further_upsamplers

    @property
    def skip_conv(self) -> keras.layers.Layer:
        """Convolution of the sum of the skips."""
        return self.network.skip_conv

    @property
    def output_conv(self) -> keras.layers.Layer:
        """Output convolution of the network."""
        return self.network.output_conv

    @property
    def receptive_field(self) -> int:
        """Number of samples that one prediction of the noise depends on."""
        return self.network.receptive_field

    @property
    def reach(self) -> int:
        """Number of samples ahead, and also back, that one prediction of the noise depends on."""
        return self.network.reach

    @property
    def loss_name(self) -> str:
        """Name of the quantity that `sample_loss` returns."""
        return "denoising error"

    @property
    def loss_unit(self) -> str:
        """Quantity that `loss_norm` measures."""
        return "absolute error" if self.loss_norm == "l1" else "squared error"

    def describe_output(self) -> str:
        """Describes for people what the network predicts."""
        return f"noise of {len(self.schedule.betas)} diffusion steps"

    @property
    def inference_schedule(self) -> diffusion.NoiseSchedule | None:
        """Schedule that `generate` uses by default. If None, the schedule of training."""
        return self._inference_schedule

    @inference_schedule.setter
    def inference_schedule(self, schedule: Any) -> None:
        chosen = None if schedule is None else diffusion.get(schedule)
        if chosen is not None:
            self.schedule.align(chosen)
        self._inference_schedule = chosen

    def signal_level(self, mel: tf.Tensor | None) -> tf.Tensor:
        """Returns the standard deviation of the noise that diffusion ends in.

        The signal is divided by the level before diffusion, and what is generated is multiplied
        by it: the network sees and predicts noise of variance 1.

        Args:
            mel: float32 [batch, frames, local_channels]; matters where `prior` is "energy" only.

        Returns:
            float32 [batch, frames * hop_samples], interpolated between the frames; [] if `prior`
            is not "energy".
        """
        if self.prior != "energy":
            return tf.constant(self._constant_level)
        rms = tf.maximum(level.signal_rms(mel, self.recipe), _LEAST_LEVEL)
        size = [tf.shape(rms)[1] * self.upsampler.hop_samples, 1]
        return tf.image.resize(rms[..., tf.newaxis, tf.newaxis], size)[..., 0, 0]

    @property
    def signal_limit(self) -> float:
        """Largest magnitude of the signal after its division by `signal_level`."""
        return math.inf if self.prior == "energy" else 1 / self._constant_level

    @property
    def _constant_level(self) -> float:
        return 1.0 if self.prior == "standard" else float(self.prior)

    def _batch_level(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns `signal_level` of a batch, whose features have padding frames."""
        if self.prior != "energy":
            return self.signal_level(None)
        around = self.signal_level(self._mel(batch, batch["audio"].shape[1]))
        margin = self.upsampler.padding_frames * self.upsampler.hop_samples
        return around[:, margin : tf.shape(around)[1] - margin]

    def sample_loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Computes the error of the predicted noise at a random step, float32 [batch, samples]."""
        audio = batch["audio"] / self._batch_level(batch)
        step_seed, noise_seed = tf.unstack(rng.split(self._drawing_seed(audio, training), 2))
        rows, samples = tf.unstack(tf.shape(audio), 2)
        steps = replicas.draw(
            lambda shape: rng.randint(shape, step_seed, len(self.schedule.betas)), rows
        )
        noise = replicas.draw(lambda shape: rng.normal(shape, noise_seed), rows, samples)
        noisy = self.schedule.diffuse(audio, noise, steps)
        error = noise - self({**batch, "audio": noisy, "step": steps}, training=training)
        return tf.abs(error) if self.loss_norm == "l1" else tf.square(error)

    def _upsample(self, mel: tf.Tensor) -> Any:
        return self._of_each_block(lambda upsampler: upsampler(mel))

    def local_features(self, mel: tf.Tensor | None, mask: tf.Tensor | None = None) -> Any:
        """Computes the features of a window at the sample rate; a list where blocks differ.

        The arguments are documented at `AudioModel.local_features`.
        """
        if self.upsampler is None:
            return None
        return self._of_each_block(lambda upsampler: upsampler.upsample_window(mel, mask))

    def _of_each_block(self, upsample: Callable[[Any], tf.Tensor]) -> Any:
        if not self.further_upsamplers:
            return upsample(self.upsampler)
        return [upsample(one) for one in (self.upsampler, *self.further_upsamplers)]

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Predicts the noise in `inputs["audio"]`."""
        del training  # the network is the same
        local = self._local(inputs, inputs["audio"].shape[1])
        conditioning = self.network.conditioning(local, self._speaker(inputs))
        return self.network(inputs["audio"], inputs["step"], conditioning, inputs.get("mask"))

    def generate(
        self,
        mel: Any = None,
        *,
        speaker: Any = None,
        samples: int | None = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        schedule: Any = None,
        num_inference_steps: int | None = None,
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
            schedule: as `diffusion.get` takes it. If None, `inference_schedule`.
            num_inference_steps: number of steps, in place of a schedule, see
                `NoiseSchedule.shortened`. If None, `schedule` decides.
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
        self.ensure_built()
        request = generation.Request.create(
            self, mel=mel, speaker=speaker, samples=samples, seed=seed
        )
        chosen = self._chosen_schedule(schedule, num_inference_steps)
        utterances = generation.denoise(
            self,
            request,
            sampler=Sampler(temperature),
            schedule=chosen,
            eta=eta,
            clip=clip,
            chunk_samples=chunk_samples,
            batch_size=batch_size,
            on_step=on_step,
            on_chunk=on_chunk,
            jit_compile=jit_compile,
        )
        return self._like(mel, utterances)

    def _chosen_schedule(
        self, schedule: Any, num_inference_steps: int | None
    ) -> diffusion.NoiseSchedule:
        """Returns the schedule to sample with."""
        if schedule is not None and num_inference_steps is not None:
            raise ValueError(
                "schedule and num_inference_steps exclude each other. "
                f"Received: {num_inference_steps=} beside a schedule"
            )
        if schedule is not None:
            return diffusion.get(schedule)
        known = self.inference_schedule
        if num_inference_steps is None:
            return known or self.schedule
        if known is not None and len(known.betas) == num_inference_steps:
            return known
        return self.schedule.shortened(num_inference_steps)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        chosen = self.inference_schedule
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in (*_OF_NETWORK, *_PLAIN_ARGUMENTS)},
            "schedule": list(self.schedule.betas),
            "inference_schedule": None if chosen is None else list(chosen.betas),
            "upsampler": upsamplers.serialize(self.upsampler),
            "recipe": None if self.recipe is None else self.recipe.get_config(),
        }
