"""The parallel student: inverse autoregressive flows, from noise to audio in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfwavenet import files, generation
from tfwavenet.audio import recipes
from tfwavenet.audio.metrics import STFT_RESOLUTIONS
from tfwavenet.codecs import Linear
from tfwavenet.generation import Sampler
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.layers.flow import Flow
from tfwavenet.layers.fusion import compiles_whole
from tfwavenet.models import distillation
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.models.distillation import FAMILIES, Noise

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

# Arguments that `get_config` returns as they are.
_PLAIN_ARGUMENTS = (
    "flow_layers",
    "dilation_cycle",
    "residual_channels",
    "gate_channels",
    "skip_channels",
    "kernel_size",
    "noise",
    "log_scale_min",
    "initial_log_scale",
    "regularization",
    "cross_entropy_draws",
    "spectral_weight",
    "spectral_resolutions",
    "contrastive_weight",
    "local_channels",
    "num_speakers",
    "speaker_channels",
    "weight_norm",
    "seed",
)


@keras.saving.register_keras_serializable("tfwavenet")
class ParallelWaveNet(AudioModel):
    """A student of a WaveNet that makes all samples at once.

    A stack of inverse autoregressive flows: each is a WaveNet over what the flow before it made,
    the first over white noise, and shifts and scales the sample that follows. What is distilled is
    the teacher's distribution of each sample: no recording is needed for that but its features;
    the recording itself enters through the distance of the spectra.

    Before `fit`, a teacher is needed: `set_teacher`. It is not saved with the student.

    Batches, in `fit` and elsewhere, are those of `WaveNet`, with audio in [-1, 1].

    Args:
        flow_layers: number of residual blocks of each flow, positive.
        dilation_cycle: block i of a flow has dilation `2 ** (i % dilation_cycle)`.
        residual_channels: channels of the residual path.
        skip_channels: channels of the skip path.
        gate_channels: channels before the gate, even; half of it behind.
        kernel_size: taps of the dilated convolutions.
        noise: "gaussian", for a teacher that predicts a `Gaussian`: the divergence from it is
            computed in closed form; or "logistic", for one that predicts a `MixtureOfLogistics`:
            the divergence is estimated.
        log_scale_min: least logarithm of the factor of one flow.
        initial_log_scale: logarithm of the scale of all samples before training. Near the
            median of the teacher's, learning the level does not come first.
        regularization: of the closed form, see `gaussian_divergence`.
        cross_entropy_draws: per sample, for the estimate.
        spectral_weight: of the spectral loss beside the divergence, 0 or more.
        spectral_resolutions: (FFT, hop, window) of each of its spectra, in samples.
        contrastive_weight: of the divergence from the teacher under the features of another
            utterance of the batch, which is to be large; 0 or more. A batch of one is without.
        upsampler: layer, or its serialized form; None for a network without features.
        local_channels: feature channels; None for the recipe's `n_mels`.
        num_speakers: how many; None where speaker vectors come from elsewhere.
        speaker_channels: size of a speaker vector; None for a network without speakers.
        weight_norm: whether convolutions are weight normalized.
        recipe: of features and waveform, as `recipes.get` takes it; saved with the model.
        seed: of the noise that training draws.

    Call arguments:
        inputs: a batch with `"noise"`, float32 [batch, samples], in place of `"audio"`.

    Returns:
        float32 [batch, samples, 2]: mean and logarithm of the scale of each sample given the noise
        before it; the sample is `mean + exp(log_scale) * noise`.

    Raises:
        ValueError: if arguments contradict each other, such as the scales of upsampler and recipe.

    Examples:
        >>> teacher = WaveNet(num_layers=4, distribution="Gaussian")
        >>> student = ParallelWaveNet(flow_layers=(2, 4), residual_channels=8)
        >>> student.set_teacher(teacher)
        >>> student.compile(keras.optimizers.Adam(1e-3))
        >>> audio = tf.sin(tf.range(3000.0) / 10)[tf.newaxis]
        >>> history = student.fit(tf.data.Dataset.from_tensors({"audio": audio}), verbose=0)
        >>> student.generate(samples=1000).shape
        (1, 1000)

    Source: van den Oord et al., "Parallel WaveNet", arXiv:1711.10433; Ping et al., "ClariNet",
    arXiv:1807.07281, section 3, of which the defaults are.
    """

    checkpoint_names = MappingProxyType({"flows": "blocks"})

    def __init__(
        self,
        *,
        flow_layers: Sequence[int] = (10, 10, 10, 30),
        dilation_cycle: int = 10,
        residual_channels: int = 64,
        gate_channels: int = 128,
        skip_channels: int = 64,
        kernel_size: int = 3,
        noise: Noise = "gaussian",
        log_scale_min: float = -7.0,
        initial_log_scale: float = 0.0,
        regularization: float = 4.0,
        cross_entropy_draws: int = 8,
        spectral_weight: float = 1.0,
        spectral_resolutions: Sequence[Sequence[int]] = STFT_RESOLUTIONS,
        contrastive_weight: float = 0.0,
        upsampler: Any = None,
        local_channels: int | None = None,
        num_speakers: int | None = None,
        speaker_channels: int | None = None,
        weight_norm: bool = True,
        recipe: Any = None,
        seed: int = 0,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        if noise not in FAMILIES:
            raise ValueError(f"`noise` must be one of {list(FAMILIES)}. Received: noise={noise!r}")
        _check(1, flows=len(flow_layers), cross_entropy_draws=cross_entropy_draws)
        _check(1, flow_layers=min(flow_layers))
        _check(0, spectral_weight=spectral_weight, contrastive_weight=contrastive_weight)
        self.flow_layers = tuple(flow_layers)
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.kernel_size = kernel_size
        self.noise = noise
        self.log_scale_min = log_scale_min
        self.initial_log_scale = initial_log_scale
        self.regularization = regularization
        self.cross_entropy_draws = cross_entropy_draws
        self.spectral_weight = spectral_weight
        self.spectral_resolutions = tuple(tuple(sizes) for sizes in spectral_resolutions)
        self.contrastive_weight = contrastive_weight
        self.upsampler = upsamplers.get(upsampler)
        self.recipe = None if recipe is None else recipes.get(recipe)
        self.local_channels = self._feature_channels(local_channels)
        self.num_speakers = num_speakers
        self.speaker_channels = speaker_channels
        self.weight_norm = weight_norm
        self.seed = seed
        self.codec = Linear()
        self.flows = [self._flow(index) for index in range(len(self.flow_layers))]
        self.speaker_embedding = self._embedding_layer()
        self.divergence_tracker = keras.metrics.Mean(name="divergence")
        self.spectral_tracker = keras.metrics.Mean(name="spectral")

    computes_in_parallel = True

    def _flow(self, index: int) -> Flow:
        is_last = index == len(self.flow_layers) - 1
        return Flow(
            log_scale_min=self.log_scale_min,
            initial_log_scale=self.initial_log_scale if is_last else 0.0,
            num_layers=self.flow_layers[index],
            dilation_cycle=self.dilation_cycle,
            residual_channels=self.residual_channels,
            gate_channels=self.gate_channels,
            skip_channels=self.skip_channels,
            kernel_size=self.kernel_size,
            local_channels=self.local_channels,
            global_channels=self.speaker_channels,
            weight_norm=self.weight_norm,
            dtype=self.dtype_policy,
            name=f"flow_{index}",
        )

    def _networks(self) -> list[keras.layers.Layer]:
        return self.flows

    def _network_layers(self) -> list[keras.layers.Layer]:
        return self.flows

    @property
    def blocks(self) -> list[Flow]:
        """The flows, under the name by which saved models hold them."""
        return self.flows

    @property
    def teacher(self) -> Any:
        """The teacher; None before `set_teacher`."""
        return self.__dict__.get("_teacher")

    def set_teacher(self, teacher: Any) -> None:
        """Gives the student its teacher, which is frozen.

        Args:
            teacher: a built `WaveNet` on the same features.

        Raises:
            ValueError: If the teacher predicts another family of distributions than the student,
                or differs in recipe, features or speakers; the message names the difference.
        """
        distillation.check_teacher(self, teacher)
        teacher.trainable = False
        # Past Keras' tracking: the teacher is no part of the student.
        self.__dict__["_teacher"] = teacher

    @property
    def loss_name(self) -> str:
        """Name of the quantity that `sample_loss` returns."""
        return "distillation loss"

    @property
    def loss_unit(self) -> str:
        """Unit of the divergence; the spectral loss has none."""
        return "nats"

    def describe_output(self) -> str:
        """Describes for people what the network predicts."""
        return f"{len(self.flow_layers)} flows of {self.noise} noise"

    @property
    def receptive_field(self) -> int:
        """Number of noise values before a sample that the sample depends on."""
        return sum(flow.receptive_field for flow in self.flows)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Computes mean and logarithm of the scale of a whole sequence in parallel."""
        del training  # the network is the same
        noise = inputs["noise"]
        local, speaker = self._local(inputs, noise.shape[1]), self._speaker(inputs)
        mean, log_scale, _ = self._through_flows(
            noise, lambda flow, values, _: (*flow.transform(values, local, speaker), None)
        )
        return tf.stack([mean, log_scale], axis=-1)

    def _through_flows(
        self, noise: tf.Tensor, transform: Callable[[Flow, tf.Tensor, int], tuple[Any, ...]]
    ) -> tuple[tf.Tensor, tf.Tensor, list[Any]]:
        """Returns mean and logarithm of the scale behind all flows, and the state of each."""
        mean, log_scale, states = tf.zeros_like(noise), tf.zeros_like(noise), []
        for index, flow in enumerate(self.flows):
            # The samples so far are a function of mean and scale, which depend on the noise.
            shift, change, state = transform(flow, mean + tf.exp(log_scale) * noise, index)
            mean = shift + tf.exp(change) * mean
            log_scale += change
            states.append(state)
        return mean, log_scale, states

    def sample_loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Computes divergence from the teacher plus distance of the spectra, [batch, samples]."""
        divergence, spectral = distillation.distances(self, batch, training)
        return divergence + self.spectral_weight * spectral

    def _loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        divergence, spectral = distillation.distances(self, batch, training)
        self._mean(divergence, batch, self.divergence_tracker)
        self._mean(spectral, batch, self.spectral_tracker)
        loss = divergence + self.spectral_weight * spectral
        return self._mean(loss, batch, self.loss_tracker)

    def compile(self, *args: Any, accumulate: int = 1, **kwargs: Any) -> None:
        """Configures the model for training, see `AudioModel.compile`.

        Args:
            *args: see `AudioModel.compile`.
            accumulate: number of parts of a batch. A contrast needs the whole batch.
            **kwargs: see `AudioModel.compile`.

        Raises:
            ValueError: If there is a contrast and more than one part.
        """
        if accumulate > 1 and self.contrastive_weight:
            raise ValueError(
                "A contrast is between the rows of a whole batch, which cannot be accumulated in "
                f"parts. Received: accumulate={accumulate} with "
                f"contrastive_weight={self.contrastive_weight}"
            )
        super().compile(*args, accumulate=accumulate, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that Keras resets at each epoch."""
        return [self.loss_tracker, self.divergence_tracker, self.spectral_tracker]

    def initial_state(self, batch_size: int | tf.Tensor) -> list[Any]:
        """Returns the state of the flows before the first sample, as if zeros had gone before."""
        return [flow.initial_carry(batch_size) for flow in self.flows]

    def merged_state(self, rows: tf.Tensor, state: list[Any], other: list[Any]) -> list[Any]:
        """Returns `state` for the rows bool [batch] that are True, `other` for the others."""
        both = zip(self.flows, state, other)
        return [flow.merged_carry(rows, one, kept) for flow, one, kept in both]

    def advance(
        self,
        state: dict[str, Any],
        window: dict[str, tf.Tensor],
        *,
        seeds: tf.Tensor,
        sampling: dict[str, tf.Tensor],
        count: int,
        stop: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """Generates a chunk in parallel, as `generation.chunk.advance` does step by step."""
        stop = tf.constant(count) if stop is None else stop
        noise = distillation.noise_stream(self.noise, seeds, state["position"], count)
        noise = sampling["temperature"] * noise
        local = self.local_features(window.get("mel"), window.get("mask"))
        speaker = self.speaker_vectors(window.get("speaker"))
        mean, log_scale, network = self._through_flows(
            noise,
            lambda flow, values, index: flow.advance(
                values, state["network"][index], stop, local, speaker
            ),
        )
        values = tf.clip_by_value(mean + tf.exp(log_scale) * noise, -1.0, 1.0)
        position = state["position"] + tf.cast(stop, tf.int64)
        return values, {"previous": values[:, -1], "network": network, "position": position}

    def generate(
        self,
        mel: Any = None,
        *,
        speaker: Any = None,
        samples: int | None = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        chunk_samples: int = 16384,
        batch_size: int | None = None,
        on_chunk: Callable[[list[np.ndarray]], None] | None = None,
        jit_compile: bool | None = None,
    ) -> Any:
        """Makes audio out of noise, all samples of a chunk at once.

        Equal seeds give equal audio up to rounding: whole, in chunks of any size, alone or in a
        batch.

        Args:
            mel: features [frames, channels] of one utterance, [batch, frames, channels], or a
                list of [frames, channels] of any lengths. None for a network without.
            speaker: number of the speaker, or one per utterance, or vectors
                [batch, speaker_channels].
            samples: how many to generate; for networks without features, required.
            seed: of the first utterance, the i-th one takes `seed + i`; or one per utterance.
            temperature: factor of the noise, 0 or more.
            chunk_samples: samples per call of the network at most; all calls have the same number,
                of whole frames.
            batch_size: how many utterances are made at a time; as one ends, another begins in its
                place. None for as many as there are, up to 8.
            on_chunk: called with the new audio of each utterance: a list of float32 arrays that
                are empty for utterances that have ended or not begun.
            jit_compile: whether XLA compiles the network; None for where there is a GPU.

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
        utterances = generation.generate(
            self,
            request,
            sampler=Sampler(temperature),
            chunk_samples=generation.even_chunk(self, int(request.samples.max()), chunk_samples),
            batch_size=8 if batch_size is None else batch_size,
            on_chunk=on_chunk,
            jit_compile=compiles_whole(jit_compile),
        )
        return self._like(mel, utterances)

    def stream(
        self,
        *,
        batch_size: int | None = None,
        speaker: Any = None,
        seed: int | Sequence[int] = 0,
        temperature: float = 1.0,
        chunk_samples: int = 1024,
        jit_compile: bool | None = None,
    ) -> generation.Stream:
        """Begins an utterance whose features arrive bit by bit, or that has no end.

        The arguments are documented at `generation.Stream`.
        """
        self.ensure_built()
        return generation.Stream(
            self,
            batch_size=batch_size,
            speaker=speaker,
            seed=seed,
            temperature=temperature,
            chunk_samples=chunk_samples,
            jit_compile=compiles_whole(jit_compile),
        )

    def load_stream(self, path: files.PathLike) -> generation.Stream:
        """Continues a stream that `generation.Stream.save` stored, see `Stream.load`."""
        return generation.Stream.load(self, path)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _PLAIN_ARGUMENTS},
            "upsampler": upsamplers.serialize(self.upsampler),
            "recipe": None if self.recipe is None else self.recipe.get_config(),
        }


def _check(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
