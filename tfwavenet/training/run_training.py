"""Trains the model of a config in a folder, and resumes an interrupted training."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Optional

import keras
import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow.python.framework import config as tf_config

from tfwavenet import files
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare_from_config, prepared_folder
from tfwavenet.data.sampling import WHOLE, Share
from tfwavenet.data.splits import Split
from tfwavenet.text import TextRecipe
from tfwavenet.training import building, callbacks, fine_tuning, strategies, summaries
from tfwavenet.training import teacher as teachers
from tfwavenet.training.checkpoints import Checkpoints, steps_in
from tfwavenet.training.config import Config, resolve
from tfwavenet.training.ema import ExponentialMovingAverage, UpdateAverage
from tfwavenet.training.text_summaries import TextSummaries
from tfwavenet.training.workdir import Workdir

# Text that TensorFlow makes of a ValueError in a Python function that a dataset calls.
_OWN_ERROR = re.compile(r"\bValueError: (.+)")
# Beginnings of the lines in which TensorFlow says where in a graph something happened.
_STACK = ("Graph execution error", "Detected at", " ", "\t")


def run(
    config: Config,
    workdir: files.PathLike,
    *,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    strategy: Optional[strategies.Strategy] = None,
) -> keras.callbacks.History:
    """Trains the model of a config in a folder; a second call continues the training.

    Prepares the data if necessary, builds the model, restores the newest checkpoint and calls
    `model.fit`. A killed and restarted run gives the same bits as an uninterrupted run, on the same
    machine and with `training.deterministic`. `keras.utils.set_random_seed` seeds the global
    generators for the initial weights.

    Args:
        config: see `training.config_keys`; absent keys take their defaults. With `training.init`
            training starts from a trained model.
        workdir: see `training.workdir`; made if missing.
        extra_callbacks: further Keras callbacks; they are called last.
        strategy: on which devices and machines, which share the batches of the config: "one",
            "mirrored", "multi_worker" or a `tf.distribute.Strategy`. If None, the strategy in
            whose scope the function is called; without one, `training.strategy` of the config.
            Every worker calls the function with the same arguments and the same, shared, workdir;
            the first worker writes, see `training.strategies`.

    Returns:
        The logs of every epoch of this call. If no epoch was left, there are none.

    Raises:
        ValueError: If the config is not valid, another config made the workdir, the workdir is in
            use, the data cannot be used, a checkpoint is damaged, or the strategy cannot be used.
        NonFiniteLossError: If the loss or a weight is no longer finite.
        WorkerLostError: If another worker ended or does not answer.
        OSError: If a file cannot be read or written.
    """
    config = resolve(config)
    folder = Workdir(workdir)
    chosen = strategies.choose(strategy, config.training.strategy)
    strategies.check(chosen, config)
    lock = folder.locked() if strategies.is_first(chosen) else contextlib.nullcontext()
    with lock, chosen.scope(), _errors_in_a_sentence(folder, chosen):
        config = fine_tuning.completed(config, folder.config())
        folder.require_same_config(config)
        teacher = teachers.load_teacher(config)
        records = _prepared(config, folder, teacher, chosen)
        with _deterministic_ops(config.training.deterministic):
            history = _Run(config, folder, records, teacher, chosen).fit(extra_callbacks)
        # A worker that is gone while the first one generates samples would be taken for dead.
        strategies.wait_for_first(chosen, config)
    return history


def _prepared(
    config: ml_collections.ConfigDict,
    folder: Workdir,
    teacher: Optional[keras.Model],
    strategy: tf.distribute.Strategy,
) -> Records:
    """Prepares the data of a run; checks first everything that does not depend on the data.

    The workers make the same variables in the same order, so all of them check.
    """
    complete = teachers.with_statistics(config)
    draft = building.draft_model(complete, num_speakers=getattr(teacher, "num_speakers", None))
    teachers.check(complete, draft, teacher)
    if strategies.is_first(strategy):
        prepare_from_config(complete, folder.path)
    strategies.wait_for_first(strategy, config)
    records = Records(prepared_folder(complete, folder.path))
    building.check_recipe(config, records.recipe)
    teachers.check_speakers(config, records.speakers)
    folder.require_same_data(records.recipe, records.speakers)
    return records


class _Run:
    """Holds the parts of one run: model, average and checkpoints, restored."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        folder: Workdir,
        records: Records,
        teacher: Optional[keras.Model],
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._config, self._folder, self._records = config, folder, records
        self._strategy, self._is_first = strategy, strategies.is_first(strategy)
        keras.utils.set_random_seed(config.seed % 2**32)
        self._model = building.build_model(config, recipe=records.recipe, speakers=records.speakers)
        if teacher is not None:
            self._model.set_teacher(teacher)
        if not steps_in(folder.checkpoints):
            fine_tuning.copy_weights(self._model, config, records.speakers)
        building.compile_model(self._model, config)
        self._ema = self._average()
        objects = {"model": self._model, "optimizer": self._model.optimizer}
        if self._ema is not None:
            objects["ema"] = self._ema
        self._checkpoints = Checkpoints(
            folder.checkpoints, keep=config.training.keep_checkpoints, **objects
        )
        self._step = self._checkpoints.restore() or 0
        building.set_learning_rate(self._model, config)
        if self._is_first:
            folder.record(config, records.recipe, records.speakers)

    def fit(self, extra_callbacks: Sequence[keras.callbacks.Callback]) -> keras.callbacks.History:
        """Trains up to `training.steps`."""
        training = self._config.training
        logging.info(
            "Training %s, %d weights, from step %d to %d.",
            type(self._model).__name__,
            self._model.count_params(),
            self._step,
            training.steps,
        )
        self._warn_of_short_records()
        validation, batches = self._validation()
        return self._model.fit(
            strategies.dealt(
                self._strategy, lambda share: self._dataset("train", self._step, share)
            ),
            initial_epoch=self._step // training.steps_per_epoch,
            epochs=training.steps // training.steps_per_epoch,
            steps_per_epoch=training.steps_per_epoch,
            validation_data=validation,
            validation_steps=batches,
            callbacks=[*self._callbacks(), *extra_callbacks],
            verbose=0,
        )

    @property
    def _rows_of_update(self) -> int:
        return self._config.data.batch_size * self._config.training.accumulate

    def _warn_of_short_records(self) -> None:
        crop_frames = self._config.data.crop_frames
        short = self._records.count_shorter("train", crop_frames=crop_frames)
        if short:
            logging.warning(
                "%d of the %d training utterances are shorter than a crop of %d frames: they are "
                "padded, and the loss leaves the padding out.",
                short,
                self._records.count("train"),
                crop_frames,
            )

    def _average(self) -> Optional[ExponentialMovingAverage]:
        decay = self._config.training.ema_decay
        return None if decay is None else ExponentialMovingAverage(self._model, decay=decay)

    def _dataset(self, split: Split, start_step: int = 0, share: Share = WHOLE) -> tf.data.Dataset:
        """Returns the endless batches of a split from a step on, or one host's share of them."""
        return self._records.dataset(
            split,
            batch_size=self._rows_of_update if split == "train" else self._config.data.batch_size,
            crop_frames=self._config.data.crop_frames,
            padding_frames=building.padding_frames(self._model),
            seed=self._config.seed,
            start_step=start_step,
            share=share,
        )

    def _validation(self) -> tuple[Any, Optional[int]]:
        """Returns the same held-out batches for every epoch: the whole split, or crops from it.

        And their number, where several replicas share them. They are repeated then: Keras cannot
        tell where a dataset of several replicas ends.
        """
        batches, data = self._config.training.validation_batches, self._config.data
        if not batches:
            return None, None
        if not self._records.count("validation"):
            logging.warning("The data have no validation split: training goes without.")
            return None, None
        windows = self._records.windows("validation", crop_frames=data.crop_frames)
        count = min(batches, -(-windows // data.batch_size))

        def held_out(share: Share) -> tf.data.Dataset:
            if windows > batches * data.batch_size:
                chosen = self._dataset("validation", share=share).take(batches * share.replicas)
            else:
                chosen = self._records.evaluation_batches(
                    "validation",
                    batch_size=data.batch_size,
                    crop_frames=data.crop_frames,
                    padding_frames=building.padding_frames(self._model),
                    share=share,
                )
            return chosen if share == WHOLE else chosen.repeat()

        dealt = strategies.dealt(self._strategy, held_out)
        return dealt, None if self._strategy.num_replicas_in_sync == 1 else count

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        """Returns the callbacks in their order; `StopOnNonFinite` comes before any checkpoint."""
        training, data = self._config.training, self._config.data
        per_epoch = training.steps_per_epoch
        samples = self._rows_of_update * data.crop_frames * self._records.recipe.hop_samples
        chosen: list[keras.callbacks.Callback] = [
            callbacks.StopOnNonFinite(per_epoch, self._describe_batch)
        ]
        if self._ema is not None:
            chosen.append(UpdateAverage(self._ema))
        chosen.append(callbacks.Measurements(samples))
        if not self._is_first:
            return chosen
        writer = tf.summary.create_file_writer(str(self._folder.logs))
        chosen += [
            callbacks.SaveCheckpoint(self._checkpoints, per_epoch),
            summaries.ScalarSummaries(writer, per_epoch),
            *self._sample_summaries(writer),
            callbacks.EpochProgress(training.steps // per_epoch, per_epoch),
        ]
        return chosen

    def _sample_summaries(
        self, writer: tf.summary.SummaryWriter
    ) -> Iterator[keras.callbacks.Callback]:
        training, recipe = self._config.training, self._records.recipe
        if not training.sample_epochs or not self._records.count("validation"):
            return
        if isinstance(recipe, TextRecipe):
            summary_class, samples = TextSummaries, training.sample_characters
        else:
            summary_class = summaries.SampleSummaries
            samples = int(training.sample_seconds * recipe.sample_rate)
        count = min(training.sample_utterances, self._records.count("validation"))
        chosen = (self._records.utterance("validation", number) for number in range(count))
        examples = [
            summaries.Example(item.name, item.signal, item.mel, item.speaker).shortened(
                samples, recipe.hop_samples
            )
            for item in chosen
        ]
        yield summary_class(
            examples,
            recipe=recipe,
            writer=writer,
            samples=self._folder.samples,
            every_epochs=training.sample_epochs,
            steps_per_epoch=training.steps_per_epoch,
            seed=self._config.seed,
            ema=self._ema,
        )

    def _describe_batch(self, step: int) -> str:
        """Writes the batch of a step to a file; returns a sentence that names the file."""
        if not self._is_first:
            return "The first worker keeps its batch."
        batch: dict[str, Any] = next(iter(self._dataset("train", start_step=step).take(1)))
        path = self._folder.path / f"failed-batch-{step}.npz"
        with files.atomic_write(path) as file:
            np.savez(file, **{name: value.numpy() for name, value in batch.items()})
        kept = self._checkpoints.steps()
        stays = f"the checkpoint of step {kept[-1]} stays" if kept else "there is no checkpoint yet"
        return f"Its batch is kept in {str(path)!r}; {stays}."


@contextlib.contextmanager
def _errors_in_a_sentence(folder: Workdir, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raises TensorFlow's errors, of many lines, as ValueError or OSError of one sentence.

    An error of this package from inside the pipeline, such as a damaged shard, keeps its words.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if own := _OWN_ERROR.search(error.message):
            raise ValueError(own[1]) from error
        text = f"training stopped, the checkpoints in it are untouched ({_reason(error.message)})"
        kind = strategies.WorkerLostError if strategies.is_loss(strategy, error) else OSError
        raise kind(0, text, str(folder.path)) from error


def _reason(message: str) -> str:
    """Returns the line of a TensorFlow error that tells what happened, below the graph's stack."""
    lines = [line for line in message.splitlines() if line.strip()] or ["no reason given"]
    said = [line for line in lines if not line.startswith(_STACK)]
    return (said or lines)[0].strip()


@contextlib.contextmanager
def _deterministic_ops(enabled: bool) -> Iterator[None]:
    """Lets TensorFlow choose deterministic kernels inside the block, if `enabled`."""
    before = tf_config.is_op_determinism_enabled()
    if enabled:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if enabled and not before:
            tf_config.disable_op_determinism()
