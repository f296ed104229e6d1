"""Reads and writes the folder of one training run.

The folder is enough to resume, generate, evaluate and export:

    config.json      the resolved config
    metadata.json    recipe with the statistics of the training data, names of the speakers
    data/            prepared records, unless the config names others
    checkpoints/     see `checkpoints`
    logs/            TensorBoard
    samples/         generated audio and pictures
    evaluation/      reports and pages of evaluations
    train.lock       held by the process that trains
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Optional

import keras
import ml_collections
from absl import logging

from tfwavenet import diffusion, files
from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.training import building
from tfwavenet.training.checkpoints import Checkpoints, steps_in
from tfwavenet.training.config import Config, first_difference, resolve
from tfwavenet.training.ema import ExponentialMovingAverage

Weights = Literal["ema", "raw"]

# Keys that a resumed run may change: the weights do not depend on them, up to rounding.
_FREE = (
    "training.accumulate",
    "training.keep_checkpoints",
    "training.sample_characters",
    "training.sample_epochs",
    "training.sample_seconds",
    "training.sample_utterances",
    "training.strategy",
    "training.validation_batches",
)
# Keys that it may change too, and that the log tells of.
_TOLD = ("data.batch_size", "training.learning_rate")

# Keys of `model` in the files of earlier versions, and their names today.
_RENAMED = {"layers": "num_layers", "speakers": "num_speakers"}


class Metadata(NamedTuple):
    """Recipe, speakers and step of a trained model.

    Attributes:
        recipe: recipe, with the statistics of the training data.
        speakers: names of the speakers, in the order of their numbers.
        step: number of updates that the weights have seen.
    """

    recipe: Recipe
    speakers: list[str]
    step: int


class Loaded(NamedTuple):
    """A loaded workdir.

    Attributes:
        model: the model with its weights, in the precision that was asked for.
        config: the resolved config.
        metadata: recipe, speakers and step.
    """

    model: keras.Model
    config: ml_collections.ConfigDict
    metadata: Metadata


class Workdir:
    """Gives the paths in a workdir, and reads and writes its config and metadata.

    Args:
        path: the folder; made by the first write.
    """

    def __init__(self, path: files.PathLike) -> None:
        self.path = pathlib.Path(path).expanduser()
        self.config_path = self.path / "config.json"
        self.metadata_path = self.path / "metadata.json"
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.evaluation = self.path / "evaluation"
        self.inference_schedule_path = self.path / "inference_schedule.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and keeps other processes from training in it.

        Raises:
            ValueError: If another process trains in it already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "train.lock", "ab") as lock:
            if not files.lock(lock):
                raise ValueError(
                    "a workdir can be trained in by one process at a time, and another one does. "
                    f"Received: workdir={str(self.path)!r}"
                )
            yield

    def config(self) -> Optional[ml_collections.ConfigDict]:
        """Returns the resolved config. Before the first run, None.

        Keys of earlier versions get the names that they have today.

        Raises:
            ValueError: If the file is damaged or from a version with other keys.
        """
        if not self.config_path.exists():
            return None
        try:
            return resolve(_with_todays_names(files.read_json(self.config_path)))
        except ValueError as error:
            raise ValueError(f"{str(self.config_path)!r}: {error}") from error

    def require_same_config(self, config: Config) -> None:
        """Checks that a run with a config may continue in the folder.

        Args:
            config: resolved.

        Raises:
            ValueError: If another config made the workdir; names the first key that differs.
                `training.steps` may be larger than before. What does not change the meaning of
                the run may be another, and so may batch size and learning rate, which is logged.
        """
        old = self.config()
        if old is None:
            if steps_in(self.checkpoints):
                raise ValueError(
                    "a workdir with checkpoints has the config.json that they were made by; put it "
                    f"back, or use another workdir. Received: workdir={str(self.path)!r} without it"
                )
            return
        grown = ml_collections.ConfigDict(old.to_dict())
        grown.training.steps = max(old.training.steps, config["training"]["steps"])
        for name in (*_FREE, *_TOLD):
            section, _, key = name.partition(".")
            before, now = old[section][key], config[section][key]
            # A checkpoint holds a constant rate, and no schedule.
            if name in _FREE or isinstance(before, (int, float)) == isinstance(now, (int, float)):
                grown[section][key] = now
                if name in _TOLD and before != now:
                    logging.info("%s was %s, and is %s from here on", name, before, now)
        different = first_difference(grown, config)
        if different:
            key, before, now = different
            raise ValueError(
                f"The workdir {str(self.path)!r} was made by another config; use another workdir "
                f"or this value. Expected {key}={before!r}. Received: {key}={now!r}"
            )

    def require_same_data(self, recipe: Recipe, speakers: Sequence[str]) -> None:
        """Checks that prepared data are the data that the run began with.

        Args:
            recipe: recipe of the data, with its statistics.
            speakers: names of the speakers in the data.

        Raises:
            ValueError: If recipe or speakers differ from metadata.json.
        """
        if not self.metadata_path.exists():
            return
        old_recipe, old_speakers = self.metadata()
        # An imported network without speakers takes recordings of any.
        if old_speakers and old_speakers != list(speakers):
            raise ValueError(
                f"The workdir {str(self.path)!r} was made for other speakers, expected "
                f"{old_speakers}. Received: speakers={list(speakers)}"
            )
        different = first_difference(old_recipe.get_config(), recipe.get_config())
        if different:
            key, before, now = different
            raise ValueError(
                f"The workdir {str(self.path)!r} was made for data of another recipe, expected "
                f"{key}={before!r}. Received: {key}={now!r}"
            )

    def metadata(self) -> tuple[Recipe, list[str]]:
        """Returns the recipe and the speakers of the training data.

        Raises:
            ValueError: If the workdir has none, or the file is damaged.
        """
        path = self.metadata_path
        try:
            stored = files.read_json(path)
            recipe = recipes.of_any_kind(stored["recipe"])
            speakers = [str(name) for name in stored["speakers"]]
            fingerprint = stored["recipe_fingerprint"]
        except FileNotFoundError as error:
            raise ValueError(
                "a workdir in which a model was trained has a metadata.json. "
                f"Received: workdir={str(self.path)!r} without it"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r} is damaged: {error!r}") from error
        if recipe.fingerprint() != fingerprint:
            raise ValueError(
                f"The recipe in {str(path)!r} was changed after training, expected the "
                f"fingerprint {fingerprint}. Received: fingerprint={recipe.fingerprint()}"
            )
        return recipe, speakers

    def record(self, config: Config, recipe: Recipe, speakers: Sequence[str]) -> None:
        """Writes config.json and metadata.json, if they are missing or the config is another.

        Args:
            config: resolved; checked by `require_same_config`.
            recipe: checked by `require_same_data`.
            speakers: checked by `require_same_data`.

        Raises:
            OSError: If a file cannot be written.
        """
        if not self.metadata_path.exists():
            metadata = {
                "recipe": recipe.get_config(),
                "recipe_fingerprint": recipe.fingerprint(),
                "speakers": list(speakers),
            }
            files.write_json(self.metadata_path, metadata)
        old = self.config()
        if old is None or first_difference(old, config):
            files.write_json(self.config_path, ml_collections.ConfigDict(config).to_dict())

    def inference_schedule(self) -> Optional[NoiseSchedule]:
        """Returns the stored schedule of a diffusion model. If there is none, None.

        Raises:
            ValueError: If the file is damaged.
        """
        if not self.inference_schedule_path.exists():
            return None
        try:
            return diffusion.get(files.read_json(self.inference_schedule_path)["betas"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{str(self.inference_schedule_path)!r} must hold the variances of a noise "
                f"schedule; remove it or search again. Received: {error}"
            ) from error

    def store_inference_schedule(self, schedule: NoiseSchedule) -> pathlib.Path:
        """Stores the schedule that `load` gives to the diffusion model; returns the file."""
        files.write_json(self.inference_schedule_path, {"betas": list(schedule.betas)})
        return self.inference_schedule_path


def load(
    workdir: files.PathLike, *, weights: Weights = "ema", precision: str = "float32"
) -> Loaded:
    """Loads the model of a workdir from its newest checkpoint.

    Args:
        workdir: folder of a training run, running or ended.
        weights: "ema" for the averaged weights, "raw" for the last weights. If the run keeps no
            average, both are the last weights.
        precision: name of the Keras precision policy in which the model computes.

    Returns:
        Model, config and metadata.

    Raises:
        ValueError: If the folder is no workdir, has no checkpoint yet, or a file is damaged.
    """
    if weights not in ("ema", "raw"):
        raise ValueError(f"weights must be 'ema' or 'raw'. Received: weights={weights!r}")
    folder = Workdir(workdir)
    config = folder.config()
    if config is None:
        raise ValueError(
            "a workdir in which a model was trained has a config.json. "
            f"Received: workdir={str(folder.path)!r} without it"
        )
    recipe, speakers = folder.metadata()
    model = building.build_model(config, recipe=recipe, speakers=speakers, precision=precision)
    step = _restore(folder, config, model, weights)
    schedule = folder.inference_schedule()
    if schedule is not None:
        model.inference_schedule = schedule
    return Loaded(model, config, Metadata(recipe, speakers, step))


def store(
    model: keras.Model,
    workdir: files.PathLike,
    *,
    speakers: Sequence[str] = (),
    step: int = 0,
    config: Optional[Mapping[str, Any]] = None,
) -> None:
    """Makes a workdir of a model that was trained elsewhere.

    All commands work on it as on a workdir that was trained in. Training continues from the
    model's weights, with a fresh optimizer.

    Args:
        model: a model with a recipe.
        workdir: a folder that is no workdir yet.
        speakers: names of the speakers, in the order of their numbers. If empty, the numbers.
        step: number of updates that the weights have seen; it is rounded down to whole epochs.
        config: keys of `data` and `training` that differ from the defaults, such as the folder of
            the recordings.

    Raises:
        ValueError: If the folder is a workdir, the model has no recipe or takes speaker vectors,
            the number of names is not the number of speakers, or a key is unknown.
        OSError: If a file cannot be written.
    """
    folder = Workdir(workdir)
    if folder.config_path.exists() or steps_in(folder.checkpoints):
        raise ValueError(f"Expected a new workdir. Received: workdir={str(folder.path)!r}")
    if model.recipe is None:
        raise ValueError("A model with a feature recipe is expected. Received: recipe=None")
    count = model.num_speakers or 0
    if model.speaker_channels and not count:
        raise ValueError("A workdir's speakers have numbers. Received: a model of speaker vectors")
    speakers = list(speakers) or [str(number) for number in range(count)]
    if len(speakers) != count:
        raise ValueError(
            f"Expected names for the model's {count} speakers. Received: speakers={speakers}"
        )
    resolved = resolve({**(config or {}), **building.config_of(model)})
    per_epoch = resolved.training.steps_per_epoch
    step = step // per_epoch * per_epoch
    with resolved.unlocked():
        resolved.training.steps = max(step, per_epoch)
    building.compile_model(model, resolved)
    model.optimizer.iterations.assign(step)
    objects: dict[str, Any] = {"model": model, "optimizer": model.optimizer}
    if resolved.training.ema_decay is not None:
        objects["ema"] = ExponentialMovingAverage(model, decay=resolved.training.ema_decay)
    with folder.locked():
        Checkpoints(folder.checkpoints, **objects).save(step)
        folder.record(resolved, model.recipe, speakers)


def _restore(
    folder: Workdir, config: ml_collections.ConfigDict, model: keras.Model, weights: Weights
) -> int:
    """Reads the newest checkpoint into the model; returns its step."""
    objects: dict[str, Any] = {"model": model}
    decay = config.training.ema_decay
    if weights == "ema" and decay is not None:
        objects["ema"] = ExponentialMovingAverage(model, decay=decay)
    step = Checkpoints(folder.checkpoints, **objects).restore(partial=True)
    if step is None:
        raise ValueError(
            "a workdir has its first checkpoint after training.steps_per_epoch="
            f"{config.training.steps_per_epoch} steps. Received: workdir={str(folder.path)!r} "
            "without any"
        )
    if "ema" in objects:
        objects["ema"].copy_to(model)
    return step


def _with_todays_names(config: Any) -> Any:
    """Returns a stored config with the names that its keys have today."""
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        return config
    model = {_RENAMED.get(name, name): value for name, value in config["model"].items()}
    return {**config, "model": model}
