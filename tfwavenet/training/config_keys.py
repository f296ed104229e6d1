"""Defines the keys of a config: `KEYS` is the one table of them.

Defaults, checks, the types of command-line overrides, the help text of `--config` and the table
below come from `KEYS`. The keys of the section `model` are the constructor arguments of the model's
class. `recipe` is not among them, because it comes from the data. `num_speakers` comes from the
data too, if it is None and `speaker_channels` is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from tfwavenet.data import defaults

_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


class Check(NamedTuple):
    """Describes the values that a key takes.

    Attributes:
        holds: whether a value is allowed.
        expectation: the allowed values in words, for the error message.
        kind: type that a command line gives the value, for a key that may be None. If None, the
            type is that of the default.
    """

    holds: Callable[[Any], bool]
    expectation: str
    kind: Optional[type] = None


class Key(NamedTuple):
    """Describes one key of a config.

    Attributes:
        name: dotted name, such as "training.steps".
        default: the default value.
        check: the allowed values. If None, what the key stands for is checked by its user.
        help: one line for `--help` and for the documentation.
    """

    name: str
    default: Any
    check: Optional[Check]
    help: str


def _whole(least: int) -> Check:
    """Returns a check for integers of at least `least`."""
    return Check(
        lambda value: type(value) is int and value >= least, f"an integer of at least {least}"
    )


def _real(low: float, high: float, *, optional: bool = False) -> Check:
    """Returns a check for numbers in [low, high), or None if `optional`."""

    def holds(value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return (optional and value is None) or (number and low <= value < high)

    expectation = f"a number in [{low:g}, {high:g})" + (" or None" if optional else "")
    return Check(holds, expectation, object if optional else None)


_ANY_INTEGER, _COUNT = _whole(-(2**63)), _whole(1)
_SHARE = _real(0.0, 1.0)
_BOOLEAN = Check(lambda value: isinstance(value, bool), "True or False")
# A folder or file.
PATH = Check(lambda value: value is None or isinstance(value, str), "a string or None", str)
# A trained model: a workdir, or the name, path or handle of a preset.
SOURCE = Check(lambda value: value is None or isinstance(value, str), "a string or None", str)
_PRECISION = Check(lambda value: value in _PRECISIONS, f"one of {_PRECISIONS}")

STRATEGIES = ("one", "mirrored", "multi_worker")
_STRATEGY = Check(lambda value: value in STRATEGIES, f"one of {', '.join(STRATEGIES)}")

_HALVED = {
    "class_name": "FlooredExponentialDecay",
    "config": {"initial": 1e-3, "decay_steps": 200_000, "decay_rate": 0.5, "staircase": True},
}

KEYS: tuple[Key, ...] = (
    Key("seed", 0, _ANY_INTEGER, "Seed of the weights, the crops and all other random draws."),
    Key(
        "recipe", "speech_16k", None, "Recipe of features or text: a name, or a mapping of fields."
    ),
    Key(
        "model.class_name",
        "WaveNet",
        None,
        "Class of `tfwavenet.models`; the further keys of `model` are its arguments.",
    ),
    Key("data.corpus", "bundled", None, "Name of the corpus, see `data.prepare`."),
    Key("data.root", None, PATH, "Folder of the corpus."),
    Key("data.records", None, PATH, "Folder of prepared data, in place of corpus and root."),
    Key(
        "data.max_seconds",
        defaults.MAX_SECONDS,
        _real(0.0, float("inf")),
        "Length in seconds above which a recording becomes several utterances.",
    ),
    Key("data.with_mel", defaults.WITH_MEL, _BOOLEAN, "Whether mels are computed."),
    Key(
        "data.features",
        None,
        PATH,
        "Folder with a .npy or .npz file of features for each recording. If None, mels are computed.",
    ),
    Key(
        "data.features_transposed",
        defaults.FEATURES_TRANSPOSED,
        _BOOLEAN,
        "Whether these files hold [n_mels, frames] instead of [frames, n_mels].",
    ),
    Key(
        "data.validation",
        defaults.VALIDATION,
        _SHARE,
        "Share of the recordings that is held out for validation.",
    ),
    Key(
        "data.test",
        defaults.TEST,
        _SHARE,
        "Share of the recordings that is held out for testing.",
    ),
    Key(
        "data.split_seed",
        defaults.SEED,
        _ANY_INTEGER,
        "Seed of the choice of the held-out recordings.",
    ),
    Key(
        "data.splits",
        None,
        PATH,
        "File with lines of name,set that says which recordings are for training, validation, test.",
    ),
    Key(
        "data.first_speakers",
        None,
        Check(
            lambda value: (
                value is None
                or (isinstance(value, list) and all(isinstance(name, str) for name in value))
            ),
            "a list of names or None",
            object,
        ),
        "Speakers that get the first numbers; with `training.init` those of the trained model.",
    ),
    Key("data.batch_size", 8, _COUNT, "Number of crops per update."),
    Key("data.crop_frames", 40, _COUNT, "Length of a crop in frames of the recipe."),
    Key(
        "training.init",
        None,
        SOURCE,
        "Preset or workdir from which training starts; network and recipe are taken from there.",
    ),
    Key(
        "training.teacher",
        None,
        SOURCE,
        "Preset or workdir of the teacher of a ParallelWaveNet; its statistics normalize the "
        "features.",
    ),
    Key(
        "training.accumulate",
        1,
        _COUNT,
        "Number of batches whose gradients are added up for one update, one after the other.",
    ),
    Key(
        "training.steps",
        100_000,
        _COUNT,
        "Number of updates; may grow when a run is resumed.",
    ),
    Key("training.steps_per_epoch", 1000, _COUNT, "Updates between checkpoints and validations."),
    Key(
        "training.learning_rate",
        _HALVED,
        None,
        'A number, or {"class_name", "config"} of a schedule of Keras or `training.schedules`.',
    ),
    Key(
        "training.strategy",
        "one",
        _STRATEGY,
        'Devices: "one", "mirrored" for all of this machine, or "multi_worker" for the machines in '
        "TF_CONFIG; may change when a run is resumed.",
    ),
    Key(
        "training.optimizer",
        "Adam",
        None,
        'Name of an optimizer of Keras, or {"class_name", "config"}; further arguments of Adam are '
        "the next keys.",
    ),
    Key("training.beta_1", 0.9, _SHARE, "Decay of Adam's average of the gradients."),
    Key("training.beta_2", 0.999, _SHARE, "Decay of Adam's average of the squared gradients."),
    Key("training.epsilon", 1e-8, _SHARE, "Constant that Adam adds to the denominator."),
    Key(
        "training.clip_norm",
        1.0,
        _real(1e-12, float("inf"), optional=True),
        "Largest global norm of the gradients. If None, gradients are not clipped.",
    ),
    Key(
        "training.ema_decay",
        0.9999,
        _real(0.0, 1.0, optional=True),
        "Decay of the average of the weights. If None, no average is kept.",
    ),
    Key("training.precision", "float32", _PRECISION, f"One of {', '.join(_PRECISIONS)}."),
    Key("training.jit_compile", False, _BOOLEAN, "Whether XLA compiles the training step."),
    Key("training.deterministic", True, _BOOLEAN, "Whether a resumed run repeats every bit."),
    Key(
        "training.validation_batches",
        8,
        _whole(0),
        "Number of validation batches per epoch. If 0, there is no validation.",
    ),
    Key("training.keep_checkpoints", 3, _COUNT, "Number of checkpoints to keep."),
    Key(
        "training.sample_epochs",
        10,
        _whole(0),
        "Epochs between generations of held-out utterances. If 0, none are generated.",
    ),
    Key("training.sample_utterances", 2, _COUNT, "Number of held-out utterances to generate."),
    Key(
        "training.sample_seconds",
        2.0,
        _real(0.01, 3600.0),
        "Seconds to generate of each held-out utterance.",
    ),
    Key(
        "training.sample_characters",
        400,
        _whole(2),
        "Characters of each held-out text; the first half is given.",
    ),
)


def help_text() -> str:
    """Returns the keys, their defaults and their help, one line each, for `--help`."""
    lines = [f"{key.name} ({key.default!r}): {key.help}" for key in KEYS]
    return "\n".join(lines)


def markdown_table() -> str:
    """Returns the keys, their defaults and their help as a table in Markdown."""
    rows = [f"| `{key.name}` | `{key.default!r}` | {key.help} |" for key in KEYS]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


__doc__ = f"{__doc__}\n{markdown_table()}\n"
