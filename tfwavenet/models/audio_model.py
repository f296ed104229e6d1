"""What is common to the models: features, speakers, and one loss for training and testing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import SpeakerEmbedding
from tfwavenet.layers.fusion import fused_elementwise
from tfwavenet.text import TextRecipe


class AudioModel(tf.keras.Model):
    """Base of the models: conditions, and the steps of `fit` and `evaluate`.

    A subclass has `blocks`, an `upsampler` and `recipe` (or None), `local_channels`, `speakers`,
    `speaker_channels` and `speaker_embedding` (or None), and defines `sample_loss` and what
    describes it.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Audio keeps its precision under a mixed policy: layers cast what they may.
        super().__init__(autocast=False, **kwargs)
        self.loss_tracker = tf.keras.metrics.Mean(name="loss")

    @property
    def loss_name(self) -> str:
        """What `sample_loss` is."""
        raise NotImplementedError

    @property
    def loss_unit(self) -> str:
        """The unit of `sample_loss`."""
        raise NotImplementedError

    @property
    def loss_is_discrete(self) -> bool:
        """Whether the loss is the likelihood of a discrete distribution, as bits measure it."""
        return False

    @property
    def takes_codes(self) -> bool:
        """Whether the network works on integer codes rather than on samples in [-1, 1]."""
        return False

    @property
    def signal_dtype(self) -> tf.DType:
        """Of what batches hold as `"audio"`, and of what is generated."""
        return tf.float32

    @property
    def takes_text(self) -> bool:
        """Whether the values are the codes of characters rather than audio."""
        return isinstance(self.recipe, TextRecipe)

    def describe_output(self) -> str:
        """What the network predicts, for people."""
        raise NotImplementedError

    def training_step(self) -> tf.Tensor:
        """Number of updates so far, int64; 0 before `compile`."""
        optimizer = getattr(self, "optimizer", None)
        return (
            tf.zeros([], tf.int64) if optimizer is None else tf.cast(optimizer.iterations, tf.int64)
        )

    def _drawing_seed(self, audio: tf.Tensor, training: bool) -> tf.Tensor:
        """Where the draws of a step begin, int32 [2].

        They depend on `seed` and the number of the update; in testing on `seed` and the audio, so
        that they differ between batches and repeat themselves.
        """
        seed = rng.split(rng.make_seed(self.seed), 2)[int(training)]
        content = tf.reduce_sum(tf.bitcast(audio, tf.int32))
        seed = rng.fold_in(seed, self.training_step() if training else content)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return rng.fold_in(seed, replica)

    def sample_loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        """What training minimizes the mean of.

        Args:
            batch: see the class; `"mask"` need not be looked at.
            training: whether this is a training step.

        Returns:
            float32 [batch, samples].
        """
        raise NotImplementedError

    def _loss(self, batch: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        return self._mean(self.sample_loss(batch, training), batch, self.loss_tracker)

    def _mean(
        self, values: tf.Tensor, batch: dict[str, tf.Tensor], tracker: tf.keras.metrics.Metric
    ) -> tf.Tensor:
        """The mean of values [batch, samples] over the samples that count, which is tracked."""
        mask = tf.cast(batch["mask"], values.dtype) if "mask" in batch else tf.ones_like(values)
        tracker.update_state(values, sample_weight=mask)
        return tf.math.divide_no_nan(tf.reduce_sum(values * mask), tf.reduce_sum(mask))

    def make_train_function(self, force: bool = False) -> Any:
        """Keras' own, of a model and an optimizer that have all their variables.

        A function that makes variables is traced twice.
        """
        with self.distribute_strategy.scope():
            if not self.built:
                self.build()
            if isinstance(self.optimizer, tf.keras.optimizers.Optimizer):
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One update on a batch."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(data)
        with fused_elementwise():
            with tf.GradientTape() as tape:
                # Optimizers add the gradients of the replicas up.
                replicas = tf.distribute.get_strategy().num_replicas_in_sync
                loss = self._loss(batch, training=True) / replicas
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return self._results()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The loss on a batch."""
        batch, _, _ = tf.keras.utils.unpack_x_y_sample_weight(data)
        self._loss(batch, training=False)
        return self._results()

    def _results(self) -> dict[str, tf.Tensor]:
        return {metric.name: metric.result() for metric in self.metrics}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that Keras resets at each epoch."""
        return [self.loss_tracker]

    def _local(self, inputs: dict[str, tf.Tensor]) -> list[tf.Tensor | None]:
        """The features of a batch at the sample rate, for each block."""
        mel = None if self.upsampler is None else self._mel(inputs)
        return self._upsampled(lambda upsampler: upsampler(mel))

    def _mel(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """The features of a batch, checked."""
        if "mel" not in inputs:
            raise ValueError(f'Expected a batch with "mel". Received: keys={sorted(inputs)}')
        self.check_mel(inputs["mel"], inputs["audio"].shape[1])
        return inputs["mel"]

    def local_features(
        self, mel: tf.Tensor | None, mask: tf.Tensor | None
    ) -> list[tf.Tensor | None]:
        """The features of a window at the sample rate, for each block: what it then projects.

        The arguments are those of `conditioning`.

        Returns:
            For each block [batch, samples of the window, channels], or None.
        """
        return self._upsampled(lambda upsampler: upsampler.upsample_window(mel, mask))

    def _upsampled(self, upsample: Callable[[Any], tf.Tensor]) -> list[tf.Tensor | None]:
        """What an upsampler makes of features, for each block; None without one."""
        local = None if self.upsampler is None else upsample(self.upsampler)
        return [local] * len(self.blocks)

    def speaker_vectors(self, speaker: tf.Tensor | None) -> tf.Tensor | None:
        """The vectors [batch, speaker_channels] of speakers as they are in a batch, or None."""
        return self._speaker({} if speaker is None else {"speaker": speaker})

    def _speaker(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor | None:
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

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of the conditions; a subclass those of the network before."""
        if self.upsampler is not None:
            self.upsampler.build([None, None, self.local_channels])
        if self.speaker_embedding is not None:
            self.speaker_embedding.build([None])
        tf.keras.layers.Layer.build(self, input_shape)

    def get_build_config(self) -> dict[str, Any] | None:
        """What a saved model needs to know to be built again: that it was."""
        return {"input_shape": None} if self.built else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates the weights; the shape of a batch does not matter."""
        self.build()

    def conditioning(
        self,
        mel: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
        speaker: tf.Tensor | None = None,
    ) -> list[tf.Tensor | None]:
        """Each block's conditioning of a window of a longer sequence.

        Args:
            mel: the window as `Upsampler.upsample_window` takes it; None without an upsampler.
            mask: bool [batch, frames of the window], False beyond the ends of the sequence.
            speaker: as in a batch; None for a network without speakers.

        Returns:
            For each block [batch, samples of the window or 1, channels before its gate], or None.
        """
        return self.projected(self.local_features(mel, mask), self.speaker_vectors(speaker))

    def projected(
        self, local: list[tf.Tensor | None], speaker: tf.Tensor | None
    ) -> list[tf.Tensor | None]:
        """`conditioning` of what `local_features` and `speaker_vectors` return, or of a part."""
        return [block.conditioning(x, speaker) for block, x in zip(self.blocks, local)]

    def check_mel(self, mel: tf.Tensor, samples: int | None) -> None:
        """Refuses features that do not fit the network or the audio, as far as shapes are known.

        Args:
            mel: [batch, frames + 2 * padding_frames, channels].
            samples: length of the audio beside it; None where it is not known.

        Raises:
            ValueError: if the features have another rank, width or length.
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
        """Settles the number of feature channels, and that upsampler and recipe fit together."""
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
        """Generated utterances in the form in which their features were given."""
        if isinstance(mel, (list, tuple)):
            return utterances
        return utterances[0] if mel is not None and np.ndim(mel) == 2 else np.stack(utterances)
