"""Base class of the models: conditions, and one loss for training and testing."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfwavenet import files, keras_versions, rng
from tfwavenet.checks import whole_number
from tfwavenet.codecs import Characters, Codec
from tfwavenet.layers import SpeakerEmbedding, replicas
from tfwavenet.models import batches, presets, updates
from tfwavenet.models.self_building import SelfBuilding

# Arguments of constructors under the names that saved models of earlier versions have.
_FORMER_ARGUMENTS = {"layers": "num_layers", "speakers": "num_speakers"}


class AudioModel(SelfBuilding):
    """Base class of the models, which hold a network, a codec and the layers of the conditions.

    A model sets `upsampler` and `recipe` (or None), `local_channels`, `num_speakers`,
    `speaker_channels`, `seed`, `codec` and a network, and defines `sample_loss`.

    Shapes: a batch is a dictionary of `"audio"` [batch, samples]; `"mel"` [batch, frames +
        2 * padding_frames, local_channels] with an upsampler; `"speaker"` [batch] with speakers;
        and optionally `"mask"` [batch, samples], True for the samples that count.
    """

    upsampler: Any
    recipe: Any
    codec: Codec
    network: Any
    local_channels: Any  # int; None without features
    num_speakers: int | None
    speaker_channels: int | None
    speaker_embedding: SpeakerEmbedding | None
    seed: int
    receptive_field: Any  # int, a property of each model
    # Attributes that have another name in checkpoints, or None: their content is the model's own.
    checkpoint_names: Mapping[str, Any] = MappingProxyType({"network": None})
    generate: Callable[..., Any]
    stream: Callable[..., Any]

    def __init__(self, **kwargs: Any) -> None:
        # Audio keeps its precision under a mixed policy: layers cast what they may.
        super().__init__(autocast=False, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def loss_name(self) -> str:
        """Name of the quantity that `sample_loss` returns."""
        raise NotImplementedError

    @property
    def loss_unit(self) -> str:
        """Unit of `sample_loss`."""
        raise NotImplementedError

    @property
    def loss_is_discrete(self) -> bool:
        """Whether the loss is the likelihood of a discrete distribution, which bits measure."""
        return False

    @property
    def sample_rate(self) -> int | None:
        """Sample rate of the audio in Hz; None without a feature recipe."""
        return getattr(self.recipe, "sample_rate", None)

    @property
    def writes_text(self) -> bool:
        """Whether the values are characters rather than audio."""
        return isinstance(self.codec, Characters)

    def describe_output(self) -> str:
        """Describes for people what the network predicts."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Describes the model in one line."""
        facts = [self.describe_output(), f"receptive field of {self.receptive_field} samples"]
        if self.built:
            facts.append(f"{self.count_params() / 1e6:.2f} million weights")
        if self.sample_rate is not None:
            facts.append(f"{self.sample_rate} Hz")
        return f"<{type(self).__name__} {self.name!r}: {', '.join(facts)}>"

    def decode(self, mel: Any, **options: Any) -> Any:
        """Generates audio from features: `generate` by the name that other vocoders have for it.

        Args:
            mel: features, as `generate` takes them.
            **options: further arguments of `generate`.
        """
        return self.generate(mel, **options)

    def training_step(self) -> tf.Tensor:
        """Returns the number of updates so far, int64; 0 before `compile`."""
        optimizer = getattr(self, "optimizer", None)
        return (
            tf.zeros([], tf.int64) if optimizer is None else tf.cast(optimizer.iterations, tf.int64)
        )

    def _drawing_seed(self, audio: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the seed of the draws of a step, int32 [2].

        In training, the draws depend on `seed` and the number of the update. In testing, they
        depend on `seed` and the audio: they differ between batches and repeat themselves. All
        replicas have the same seed, see `replicas.draw`.
        """
        seed = rng.split(rng.make_seed(self.seed), 2)[int(training)]
        if training:
            seed = rng.fold_in(seed, self.training_step())
        else:
            content = tf.reduce_sum(tf.bitcast(audio, tf.int32))
            seed = rng.fold_in(seed, replicas.total(tf.cast(content, tf.int64)))
        # A zero in place of the replica's number, which was part of the seed once.
        return rng.fold_in(seed, 0)

    def sample_loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Computes the loss of each sample, of which training minimizes the mean.

        Args:
            batch: see the class; `"mask"` does not matter here.
            training: whether this is a training step.

        Returns:
            float32 [batch, samples].
        """
        raise NotImplementedError

    def _loss(self, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        return self._mean(self.sample_loss(batch, training), batch, self.loss_tracker)

    def _mean(
        self, values: tf.Tensor, batch: Mapping[str, tf.Tensor], tracker: keras.metrics.Metric
    ) -> tf.Tensor:
        """Returns and tracks the mean of values [batch, samples] over the samples that count.

        Of several replicas, each returns its part of the mean over the global batch.

        A weight of each row is a factor of its values, as in Keras' own losses.
        """
        mask = tf.cast(self._mask(batch), values.dtype)
        if "sample_weight" in batch:
            weights = tf.cast(batch["sample_weight"], values.dtype)
            values = values * tf.reshape(weights, [tf.shape(values)[0], 1])
        tracker.update_state(values, sample_weight=mask)
        return tf.math.divide_no_nan(tf.reduce_sum(values * mask), replicas.count_samples(mask))

    def _mask(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return batch["mask"] if "mask" in batch else tf.ones_like(batch["audio"], tf.float32)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        *,
        accumulate: int = 1,
        **kwargs: Any,
    ) -> None:
        """Configures the model for training; loss and metrics are its own, see `sample_loss`.

        Args:
            optimizer: optimizer, or its name.
            loss: None.
            metrics: None.
            loss_weights: None.
            weighted_metrics: None.
            accumulate: number of parts of a batch that are computed one after the other, to save
                memory; the update is that of the whole batch up to rounding.
            **kwargs: further arguments of `keras.Model.compile`, such as `jit_compile`.

        Raises:
            ValueError: If a loss, its weights or metrics are given.
        """
        given = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"A {type(self).__name__} brings its own loss, so compile takes no `{name}`; "
                    f"further figures are for callbacks. Received: {name}={value!r}"
                )
        self.__dict__["_accumulate"] = whole_number("accumulate", accumulate, 1)
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model; what earlier versions stored and did not use is left out."""
        unused = ("loss", "metrics", "loss_weights", "weighted_metrics")
        kept = {name: value for name, value in config.items() if name not in unused}
        # Keras does the rest only for models whose `compile` is its own.
        self.compile(**keras.saving.deserialize_keras_object(kept))
        if self.built and isinstance(self.optimizer, keras.optimizers.Optimizer):
            self.optimizer.build(self.trainable_variables)

    def make_train_function(self, force: bool = False) -> Any:
        """Makes Keras' training function for a model and an optimizer that have all variables.

        A function that creates variables is traced twice.
        """
        with self.distribute_strategy.scope():
            if not self.built:
                self.build()
            if isinstance(self.optimizer, keras.optimizers.Optimizer):
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Updates the weights by the gradient of the loss on a batch; returns the metrics."""
        batch = batches.weighted(self, data)
        updates.update(self, batch, self.__dict__.get("_accumulate", 1))
        return self._results()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Computes the loss on a batch; returns the metrics."""
        self._loss(batches.weighted(self, data), training=False)
        return self._results()

    def _results(self) -> dict[str, tf.Tensor]:
        results = {metric.name: metric.result() for metric in self.metrics}
        return keras_versions.step_results(results)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that Keras resets at each epoch."""
        return [self.loss_tracker]

    def _local(self, inputs: Mapping[str, tf.Tensor], samples: int | None) -> Any:
        """Returns the features of a batch at the sample rate; None without an upsampler."""
        return None if self.upsampler is None else self._upsample(self._mel(inputs, samples))

    def _upsample(self, mel: tf.Tensor) -> Any:
        return self.upsampler(mel)

    def _mel(self, inputs: Mapping[str, tf.Tensor], samples: int | None) -> tf.Tensor:
        """Returns the features of a batch, checked against the length of its audio."""
        if "mel" not in inputs:
            raise ValueError(f'Expected a batch with "mel". Received: keys={sorted(inputs)}')
        self._check_mel(inputs["mel"], samples)
        return inputs["mel"]

    def local_features(self, mel: tf.Tensor | None, mask: tf.Tensor | None = None) -> Any:
        """Computes the features of a window of a longer sequence at the sample rate.

        Args:
            mel: the window as `Upsampler.upsample_window` takes it; None without an upsampler.
            mask: bool [batch, frames of the window], False beyond the ends of the sequence.

        Returns:
            [batch, samples of the window, channels]; None without an upsampler.
        """
        return None if self.upsampler is None else self.upsampler.upsample_window(mel, mask)

    def speaker_vectors(self, speaker: tf.Tensor | None) -> tf.Tensor | None:
        """Returns the vectors [batch, speaker_channels] of speakers as a batch names them."""
        return self._speaker({} if speaker is None else {"speaker": speaker})

    def _speaker(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
        if not self.speaker_channels:
            return None
        speaker = inputs.get("speaker")
        if speaker is None:
            raise ValueError(f'Expected a batch with "speaker". Received: keys={sorted(inputs)}')
        return speaker if self.speaker_embedding is None else self.speaker_embedding(speaker)

    def _embedding_layer(self) -> SpeakerEmbedding | None:
        if not self.num_speakers or not self.speaker_channels:
            return None
        return SpeakerEmbedding(self.num_speakers, self.speaker_channels, dtype="float32")

    def conditioning(
        self,
        mel: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
        speaker: tf.Tensor | None = None,
    ) -> Any:
        """Computes what each block of the network adds before its gate, for a window.

        Args:
            mel: as `local_features` takes it.
            mask: as `local_features` takes it.
            speaker: as in a batch; None for a network without speakers.

        Returns:
            For each block [batch, samples of the window or 1, channels]; None without conditions.
        """
        local, speaker = self.local_features(mel, mask), self.speaker_vectors(speaker)
        return self.network.conditioning(local, speaker)

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights. The shape of a batch does not matter."""
        for network in self._networks():
            network.build(None)
        if self.upsampler is not None:
            self.upsampler.build([None, None, self.local_channels])
        if self.speaker_embedding is not None:
            self.speaker_embedding.build([None])
        keras.layers.Layer.build(self, input_shape)

    def _networks(self) -> list[keras.layers.Layer]:
        return [self.network]

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns what a saved model needs to know to be built again, and which layers are frozen."""
        self.ensure_built()
        frozen = [number for number, layer in enumerate(self.layers) if not layer.trainable]
        return {"input_shape": None, "frozen": frozen}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates the weights, and freezes the layers that were frozen."""
        self.build()
        layers = self.layers
        for number in config.get("frozen", ()):
            layers[number].trainable = False

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a model from `get_config()`, also from the config of an earlier version."""
        renamed = {_FORMER_ARGUMENTS.get(name, name): value for name, value in config.items()}
        return super().from_config(renamed, custom_objects)

    @classmethod
    def from_preset(cls, preset: files.PathLike, *, precision: str = "float32") -> Any:
        """Makes a trained model from a preset.

        Args:
            preset: name of a preset that comes with the package (`tfwavenet.presets()` lists
                them), path of a folder that `save_to_preset` wrote, or `hf://user/model` for a
                model on Hugging Face.
            precision: name of the Keras precision policy in which the model computes:
                "float32", "mixed_bfloat16" or "mixed_float16".

        Raises:
            ValueError: If there is no such preset (names the nearest), it is damaged, or holds a
                model of another class.
            OSError: If a file cannot be read.
        """
        return presets.load(preset, cls, precision=precision)

    def save_to_preset(
        self,
        folder: files.PathLike,
        *,
        speakers: Sequence[str] = (),
        step: int = 0,
        sampling: Mapping[str, Any] | None = None,
        weights_dtype: presets.WeightsDtype = "float32",
        card: str | None = None,
    ) -> pathlib.Path:
        """Writes the model as a preset, from which `from_preset` makes it again.

        The folder holds the constructor arguments with the recipe, the weights, checksums and a
        model card, and no code. It can be uploaded to Hugging Face as it is.

        Args:
            folder: the folder to make.
            speakers: names of the speakers, in the order of their numbers. If empty, the numbers.
            step: number of updates that the weights have seen.
            sampling: recommended arguments of `generate`, such as {"top_p": 0.99}. The commands
                take them by default; `tfwavenet.presets()` and the card tell them.
            weights_dtype: "float32", or "float16" for a file of half the size.
            card: Markdown text of the model card, README.md. If None, a card to be completed.

        Returns:
            The folder.

        Raises:
            ValueError: If the number of names is not the number of speakers, or a weight is out
                of the range of float16.
            OSError: If the folder exists already, or cannot be written.
        """
        self.ensure_built()
        return presets.save(
            self,
            folder,
            speakers=speakers,
            step=step,
            sampling=sampling,
            weights_dtype=weights_dtype,
            card=card,
        )

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers of the network, between the layers of the conditions."""
        ends = (self.upsampler, self.speaker_embedding)
        first, last = ([] if layer is None else [layer] for layer in ends)
        return [*first, *self._network_layers(), *last]

    def count_params(self) -> int:
        """Returns the number of weights, without the counters of metrics."""
        self.ensure_built()
        return sum(layer.count_params() for layer in self.layers)

    def _network_layers(self) -> list[keras.layers.Layer]:
        return self.network.layers

    def __dir__(self) -> list[str]:
        # Keras saves the layers that it finds by these names. In all files so far the layers of
        # the network are the model's own.
        return [name for name in super().__dir__() if name != "network"]

    def _check_mel(self, mel: tf.Tensor, samples: int | None) -> None:
        """Refuses features that do not fit the network or the audio, as far as shapes are known.

        Args:
            mel: [batch, frames + 2 * padding_frames, channels].
            samples: length of the audio beside the features; None where it is not known.

        Raises:
            ValueError: If the features have another rank, width or length.
        """
        if len(mel.shape) != 3 or mel.shape[-1] != self.local_channels:
            raise ValueError(
                f"Expected mel of shape [batch, frames, {self.local_channels}]. "
                f"Received: shape={tuple(mel.shape)}"
            )
        if samples is None or mel.shape[1] is None:
            return
        covered = (mel.shape[1] - 2 * self.upsampler.padding_frames) * self.upsampler.hop_samples
        if covered != samples:
            raise ValueError(
                f"Expected mel for the {samples} samples of the audio, "
                f"{self.upsampler.hop_samples} a frame, and {self.upsampler.padding_frames} more "
                f"frames at each end. Received: {covered} samples' worth"
            )

    def _feature_channels(self, local_channels: int | None) -> int | None:
        """Returns the number of feature channels; checks that upsampler and recipe fit."""
        if self.upsampler is None:
            return None
        if self.recipe is not None and self.recipe.hop_samples != self.upsampler.hop_samples:
            raise ValueError(
                f"Expected upsampling scales that multiply to the recipe's hop of "
                f"{self.recipe.hop_samples} samples. Received: scales={self.upsampler.scales}"
            )
        channels = local_channels or (self.recipe.n_mels if self.recipe else None)
        if channels is None:
            raise ValueError(
                "An upsampler needs `local_channels` or a `recipe`. Received: local_channels=None"
            )
        if self.recipe is not None and channels != self.recipe.n_mels:
            raise ValueError(
                f"Expected the recipe's {self.recipe.n_mels} feature channels. "
                f"Received: local_channels={channels}"
            )
        return channels

    @staticmethod
    def _like(mel: Any, utterances: list[np.ndarray]) -> Any:
        """Returns generated utterances in the form in which their features were given."""
        if isinstance(mel, (list, tuple)):
            return utterances
        return utterances[0] if mel is not None and np.ndim(mel) == 2 else np.stack(utterances)
