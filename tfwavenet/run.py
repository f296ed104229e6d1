"""Gives the folder of a training run as one object: `Run`."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any, Optional

import keras
import ml_collections
from absl import logging

from tfwavenet import evaluation, export, files
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.data.analysis import Analysis
from tfwavenet.data.pipeline import Records
from tfwavenet.data.preparation import prepare_from_config
from tfwavenet.data.splits import Split, Utterance
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.evaluation import schedule_search
from tfwavenet.evaluation.utterances import Recording
from tfwavenet.models import DiffWave, ParallelWaveNet, presets
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.training import fine_tuning, run_training, teacher, trained
from tfwavenet.training import workdir as workdirs
from tfwavenet.training.config import Config, resolve
from tfwavenet.training.strategies import Strategy

_LISTED_SPEAKERS = 20
_LONGEST_PIECE = 20.0  # seconds


class Run:
    """The folder of a training run, and everything that can be done with it.

    Nothing is read before it is needed. The model is loaded once, from the newest checkpoint;
    `train` forgets it.

    Args:
        workdir: folder of the run. It need not exist before `train`.
        weights: "ema" for the averaged weights, "raw" for the last weights.

    Examples:
        >>> import tempfile
        >>> run = Run(tempfile.mkdtemp())
        >>> settings = {"steps": 1, "steps_per_epoch": 1, "validation_batches": 0}
        >>> _ = run.train({"model": {"num_layers": 1}, "training": settings})
        >>> run.model.num_layers
        1
    """

    def __init__(self, workdir: files.PathLike, *, weights: workdirs.Weights = "ema") -> None:
        self._folder = workdirs.Workdir(workdir)
        self._weights: workdirs.Weights = weights
        self._preset: Optional[files.PathLike] = None
        self._cached: Optional[workdirs.Loaded] = None

    @classmethod
    def from_preset(cls, preset: files.PathLike, workdir: files.PathLike = ".") -> Run:
        """Gives a preset the methods of a training run.

        Data, evaluations and exports are written to a folder, as those of a run. Data that are not
        prepared yet are the bundled speech.

        Args:
            preset: name, path or handle of a preset, see `tfwavenet.from_preset`.
            workdir: folder to write to.

        Raises:
            ValueError: If there is no such preset, or it is damaged.
            OSError: If a file cannot be read.
        """
        run = cls(workdir)
        run._preset = preset
        run._cached = trained.load_trained(preset)
        return run

    @property
    def path(self) -> pathlib.Path:
        """Returns the folder."""
        return self._folder.path

    @property
    def config(self) -> ml_collections.ConfigDict:
        """Returns the resolved config.

        Raises:
            ValueError: If the folder has no config yet.
        """
        config = self._loaded.config if self._preset else self._folder.config()
        if config is None:
            raise ValueError(
                "a new workdir needs a config (--config of the commands); only a workdir that was "
                f"trained in has its own. Received: workdir={str(self.path)!r}"
            )
        return config

    @property
    def model(self) -> Any:
        """Returns the model of the newest checkpoint.

        Raises:
            ValueError: If there is no checkpoint yet.
        """
        return self._loaded.model

    @property
    def step(self) -> int:
        """Returns the number of updates that the model's weights have seen."""
        return self._loaded.metadata.step

    @property
    def speakers(self) -> list[str]:
        """Returns the names of the speakers, in the order of their numbers."""
        return self._loaded.metadata.speakers

    @property
    def sampling(self) -> dict[str, Any]:
        """Returns the arguments of `generate` that a preset recommends; of a run, none."""
        return presets.read(self._preset).sampling if self._preset else {}

    @property
    def records(self) -> Records:
        """Returns the prepared data.

        Raises:
            ValueError: If the data are missing or damaged.
        """
        if self._preset:
            data = self.path / "data"
            return Records(data if data.exists() else self.prepare())
        config = self._folder.config()
        return Records((config and config.data.records) or self.path / "data")

    @property
    def _loaded(self) -> workdirs.Loaded:
        if self._cached is None:
            self._cached = workdirs.load(self.path, weights=self._weights)
        return self._cached

    def prepare(self, config: Optional[Config] = None) -> pathlib.Path:
        """Prepares the data of a config, unless that was done already.

        Args:
            config: see `training.config_keys`. If None, the config of the folder.

        Returns:
            The folder of the prepared data.

        Raises:
            ValueError: If there is no config, or the data cannot be prepared.
            OSError: If a file cannot be read or written.
        """
        resolved = self.config if config is None else resolve(config)
        resolved = fine_tuning.completed(resolved, self._folder.config())
        return pathlib.Path(prepare_from_config(teacher.with_statistics(resolved), self.path))

    def train(
        self,
        config: Optional[Config] = None,
        *,
        extra_callbacks: Sequence[keras.callbacks.Callback] = (),
        strategy: Optional[Strategy] = None,
    ) -> keras.callbacks.History:
        """Trains, or continues an earlier training, see `training.run`.

        Args:
            config: see `training.config_keys`. If None, the config of the folder.
            extra_callbacks: further Keras callbacks; they are called last.
            strategy: "one", "mirrored", "multi_worker" or a `tf.distribute.Strategy`. If None, the
                strategy in whose scope the method is called, or the strategy of the config.

        Returns:
            The logs of every epoch of this call.

        Raises:
            ValueError: If there is no config, or `training.run` raises it.
            OSError: If a file cannot be read or written.
        """
        if self._preset:
            raise ValueError(
                "a preset is trained further by a run whose config names it, training.init. "
                f"Received: preset={str(self._preset)!r}"
            )
        chosen = self.config if config is None else config
        history = run_training.run(
            chosen, self.path, extra_callbacks=extra_callbacks, strategy=strategy
        )
        self._cached = None
        return history

    def generate(self, *args: Any, speaker: Any = None, **options: Any) -> Any:
        """Generates audio, see the model's `generate`.

        Args:
            *args: arguments of the model's `generate`, such as the mel.
            speaker: name or number of the speaker or label, or a list with one for each utterance.
                It may be None if there is only one.
            **options: further arguments of the model's `generate`.

        Returns:
            The result of the model's `generate`.

        Raises:
            ValueError: If the speaker is unknown, or an argument does not fit the model.
        """
        if isinstance(speaker, (list, tuple)):
            numbers: Any = [self._speaker_number(one) for one in speaker]
        else:
            numbers = self._speaker_number(speaker)
        return self.model.generate(*args, speaker=numbers, **options)

    def _speaker_number(self, speaker: Any) -> Any:
        """Returns the number of a name; the model checks everything else."""
        is_name = speaker is None or isinstance(speaker, str)
        return speaker_number(self.model, speaker, self.speakers) if is_name else speaker

    def evaluate(
        self,
        split: Split = "test",
        *,
        max_utterances: Optional[int] = None,
        audio: Sequence[files.PathLike] = (),
        output_dir: Optional[files.PathLike] = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Evaluates the model on a split of the data that it was trained on.

        Args:
            split: "train", "validation" or "test".
            max_utterances: number of utterances, spread evenly over the split. If None, all.
            audio: further recordings, in front of the utterances; for a model without speakers.
            output_dir: folder to write. If None, `<workdir>/evaluation/<split>`.
            **options: further arguments of `tfwavenet.evaluate`, such as `temperature`.

        Returns:
            The report, see `tfwavenet.evaluate`.

        Raises:
            ValueError: If there is no model, its data are missing or were prepared by another
                recipe, the split is empty, or the teacher of a student is missing.
            OSError: If a file cannot be written.
        """
        model, config, metadata = self._loaded
        records = self.records
        if records.recipe.fingerprint() != metadata.recipe.fingerprint():
            raise ValueError(
                "the data must have been prepared by the recipe of the model, "
                f"{metadata.recipe.fingerprint()}. Received: {records.recipe.fingerprint()}"
            )
        if audio and model.speaker_channels:
            raise ValueError(
                "recordings of unknown speakers are for a model without speakers. "
                f"Received: audio={[os.fspath(path) for path in audio]}"
            )
        own = [piece for path in audio for piece in _analyzed(path, model.recipe)]
        numbers = _spread(records.count(split), max_utterances)
        if not numbers:
            raise ValueError(
                "the data have no utterances for this; choose another split. "
                f"Received: split={split!r}"
            )
        is_student = isinstance(model, ParallelWaveNet)
        if is_student and model.teacher is None and not self._preset:
            model.set_teacher(teacher.load_teacher(config))
        options.setdefault("title", f"{type(model).__name__}, {config.data.corpus}")
        return evaluation.evaluate(
            model,
            [*own, *(records.utterance(split, number) for number in numbers)],
            output_dir=os.fspath(output_dir or self._folder.evaluation / split),
            speakers=metadata.speakers or records.speakers,
            settings={"split": split, "weights": self._weights, "step": metadata.step},
            config=config.to_dict(),
            **options,
        )

    def export(self, output_dir: Optional[files.PathLike] = None, **options: Any) -> pathlib.Path:
        """Writes the model for TF Serving, see `tfwavenet.export_saved_model`.

        Args:
            output_dir: folder of all versions. If None, `<workdir>/export`.
            **options: further arguments of `tfwavenet.export_saved_model`.

        Returns:
            The folder of the new version.

        Raises:
            ValueError: If there is no model, or an argument is out of its range.
            OSError: If a file cannot be written.
        """
        return export.export_saved_model(self.model, output_dir or self.path / "export", **options)

    def save_to_preset(self, folder: files.PathLike, **options: Any) -> pathlib.Path:
        """Writes the model as a preset, with the names of its speakers.

        Args:
            folder: the folder to make.
            **options: `weights_dtype`, `sampling` and `card` of the model's `save_to_preset`.

        Returns:
            The folder.

        Raises:
            ValueError: If there is no model, or the model's `save_to_preset` raises it.
            OSError: If the folder exists already, or cannot be written.
        """
        # A model without speakers may have been trained on recordings of several.
        names = self.speakers if self.model.speaker_channels else ()
        return self.model.save_to_preset(folder, speakers=names, step=self.step, **options)

    def find_schedule(
        self,
        steps: int = 6,
        *,
        split: Split = "validation",
        max_utterances: int = 8,
        seed: int = 0,
    ) -> NoiseSchedule:
        """Searches a schedule of few steps for a diffusion model, and stores it in the folder.

        From then on the model of the folder is sampled by this schedule. That of a preset is not
        stored.

        Args:
            steps: number of steps.
            split: "train", "validation" or "test"; the utterances that are generated again.
            max_utterances: number of utterances to use, from the first on.
            seed: seed of the first utterance; the i-th takes `seed + i`.

        Returns:
            The schedule with the smallest error, see `evaluation.schedule_search.search`.

        Raises:
            ValueError: If the model is no diffusion model or has no features, the split is empty,
                or `steps` is out of range.
            OSError: If the schedule cannot be written.
        """
        if not isinstance(self.model, DiffWave):
            raise ValueError(
                "workdir must hold a diffusion model. "
                f"Received: a model of class {type(self.model).__name__}"
            )
        records = self.records
        count = min(max_utterances, records.count(split))
        best, *_ = schedule_search.search(
            self.model,
            [records.utterance(split, number) for number in range(count)],
            steps=steps,
            seed=seed,
            on_candidate=_log_candidate,
        )
        logging.info("The best schedule:")
        _log_candidate(best)
        if not self._preset:
            logging.info("wrote %s", self._folder.store_inference_schedule(best.schedule))
        self.model.inference_schedule = best.schedule
        return best.schedule


def speaker_number(
    model: AudioModel, speaker: Optional[str], speakers: Sequence[str]
) -> Optional[int]:
    """Returns the number of a speaker or label that is given by name or number.

    Args:
        model: its `speaker_channels` tells whether it knows speakers.
        speaker: name or number. It may be None if there is only one speaker.
        speakers: names of the speakers, in the order of their numbers.

    Returns:
        The number. If the model knows no speakers, None.

    Raises:
        ValueError: If the speaker is unknown (names the known speakers), is missing, or is given
            to a model that knows no speakers.
    """
    if not model.speaker_channels:
        if speaker is not None:
            raise ValueError(f"this model knows no speakers. Received: speaker={speaker!r}")
        return None
    if speaker is None and len(speakers) == 1:
        return 0
    if speaker in speakers:
        return list(speakers).index(str(speaker))
    if speaker is not None and speaker.isdecimal() and int(speaker) < len(speakers):
        return int(speaker)
    shown = ", ".join(speakers[:_LISTED_SPEAKERS])
    more = len(speakers) - _LISTED_SPEAKERS
    rest = f" and {more} more" if more > 0 else ""
    raise ValueError(
        f"speaker must be one of {shown}{rest}, or a number from 0 to {len(speakers) - 1}. "
        f"Received: speaker={speaker!r}"
    )


def _spread(count: int, wanted: Optional[int]) -> list[int]:
    """Returns `wanted` of the numbers below `count`, spread evenly.

    Neighbors by name are often alike.
    """
    chosen = count if wanted is None else min(count, wanted)
    return [index * count // chosen for index in range(chosen)]


def _analyzed(path: files.PathLike, recipe: FeatureRecipe) -> list[Recording]:
    """Returns the records of a recording, pieces of at most 20 seconds, without a speaker."""
    name = pathlib.Path(path).stem
    source = Utterance(path=os.fspath(path), name=name, speaker="")
    try:
        pieces = Analysis(recipe, max_seconds=_LONGEST_PIECE).records(source, 0)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be used: {error}") from error
    return [Recording(piece.name, piece.signal, piece.mel) for piece in pieces]


def _log_candidate(candidate: schedule_search.Candidate) -> None:
    betas = ",".join(f"{beta:.4g}" for beta in candidate.schedule.betas)
    logging.info("error %.4f: %s", candidate.error, betas)
