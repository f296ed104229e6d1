"""Writes the summaries of a run for TensorBoard: scalars, generated audio and pictures."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfwavenet import files
from tfwavenet.audio import audio_files
from tfwavenet.evaluation.copy_synthesis import generate_again
from tfwavenet.training import mel_figure
from tfwavenet.training.ema import ExponentialMovingAverage

Logs = Optional[dict[str, Any]]


class ScalarSummaries(keras.callbacks.Callback):
    """Writes all scalars in the logs of an epoch for TensorBoard, over the step.

    `val_x` becomes `validation/x`, everything else `train/x`.

    Args:
        writer: from `tf.summary.create_file_writer`. TensorBoard follows one file per folder at a
            time, so callbacks share one writer.
        steps_per_epoch: int >= 1.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, steps_per_epoch: int) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._writer = writer
        self._steps_per_epoch = steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes the scalars of the epoch."""
        with self._writer.as_default(step=(epoch + 1) * self._steps_per_epoch):
            for name, value in (logs or {}).items():
                of_validation = name.startswith("val_")
                tag = f"validation/{name[len('val_') :]}" if of_validation else f"train/{name}"
                tf.summary.scalar(tag, float(value))
        self._writer.flush()


@dataclasses.dataclass(frozen=True)
class Example:
    """A held-out utterance, or its beginning.

    Attributes:
        name: name of the utterance.
        signal: float32 [samples], what the network should produce.
        mel: float32 [frames, n_mels]. If the data have no mels, None.
        speaker: number of the speaker.
        text: the sentence that is said, or None.
    """

    name: str
    signal: np.ndarray
    mel: Optional[np.ndarray]
    speaker: int
    text: Optional[str] = None

    def shortened(self, samples: int, hop_samples: int) -> Example:
        """Returns the whole frames among the first `samples` samples, at least one."""
        frames = max(1, samples // hop_samples)
        mel = None if self.mel is None else self.mel[:frames]
        return dataclasses.replace(self, signal=self.signal[: frames * hop_samples], mel=mel)


class SampleSummaries(keras.callbacks.Callback):
    """Generates held-out utterances every few epochs, beside the recordings.

    Writes everything for TensorBoard, and these files:

    - `<samples>/<step>/<utterance>.wav`, the generated audio;
    - `<samples>/<step>/<utterance>.png`, its mels above the mels of the recording, if the audio is
      at least as long as an STFT window;
    - `<samples>/recording/<utterance>.wav`, the recording.

    The seeds are the same every time. If there are averaged weights, they generate.

    Args:
        examples: the utterances to generate, at least one.
        recipe: the `FeatureRecipe` of the examples.
        writer: see `ScalarSummaries`.
        samples: folder of the WAV files and pictures.
        every_epochs: int >= 1, number of epochs between generations.
        steps_per_epoch: int >= 1.
        seed: seed of the first utterance; the i-th takes `seed + i`.
        ema: average of the model's weights. If None, the model's own weights generate.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        recipe: Any,
        writer: tf.summary.SummaryWriter,
        samples: files.PathLike,
        every_epochs: int,
        steps_per_epoch: int,
        seed: int = 0,
        ema: Optional[ExponentialMovingAverage] = None,
    ) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._examples = list(examples)
        names = [example.name for example in self._examples]
        self._stems = dict(zip(names, files.file_stems(names)))
        self._recipe = recipe
        self._writer = writer
        self._samples = pathlib.Path(samples)
        self._every_epochs = every_epochs
        self._steps_per_epoch = steps_per_epoch
        self._seed = seed
        self._ema = ema

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Generates and writes, if the epoch is due."""
        if (epoch + 1) % self._every_epochs:
            return
        step = (epoch + 1) * self._steps_per_epoch
        logging.info("Generating %d held-out utterances at step %d.", len(self._examples), step)
        generated = self._generate()
        with self._writer.as_default(step=step):
            for example, made in zip(self._examples, generated):
                self._write(example, made, self._samples / f"{step:08d}")
        self._writer.flush()

    def _generate(self) -> list[Any]:
        """Generates by the averaged weights, if there are any."""
        if self._ema is None:
            return self._made()
        with self._ema.swapped_in(self.model):
            return self._made()

    def _made(self) -> list[Any]:
        """Returns float32 [samples] for each example, in the domain of recordings."""
        return generate_again(self.model, self._examples, seed=self._seed)

    def _write(self, example: Example, made: Any, folder: pathlib.Path) -> None:
        audio, rate, stem = made, self._recipe.sample_rate, self._stems[example.name]
        recording, _ = self._recipe.to_audio(example.signal)
        recording_path = self._samples / "recording" / f"{stem}.wav"
        if not recording_path.exists():
            audio_files.write(recording_path, recording, rate)
        audio_files.write(folder / f"{stem}.wav", audio, rate)
        for title, samples in (("generated", audio), ("recording", recording)):
            clip = np.clip(samples, -1.0, 1.0)[np.newaxis, :, np.newaxis]
            tf.summary.audio(f"{files.printable(example.name)}/{title}", clip, rate)
        if len(audio) >= self._recipe.n_fft:
            self._draw(
                example, {"generated": audio, "recording": recording}, folder / f"{stem}.png"
            )

    def _draw(self, example: Example, audio: Mapping[str, np.ndarray], path: pathlib.Path) -> None:
        """Draws the mels of float32 [samples] by title, before their normalization."""
        recipe = self._recipe.mel_recipe
        mels = {title: recipe.compressed_mel(one).numpy() for title, one in audio.items()}
        seconds = self._recipe.hop_samples / self._recipe.sample_rate
        png = mel_figure.to_png(mel_figure.mel_figure(mels, frame_seconds=seconds))
        with files.atomic_write(path) as file:
            file.write(png)
        name = files.printable(example.name)
        tf.summary.image(f"{name}/mel", tf.image.decode_png(png, channels=3)[tf.newaxis])
