"""Export a trained model for TF Serving, as a new version of a SavedModel directory.

    tfwavenet-export --workdir=runs/digits --output=served/digits

With --form=xla the server compiles the model; one that runs on CPU must be told that it may
(tensorflow_model_server --xla_cpu_compilation_enabled=true).
"""

from __future__ import annotations

from typing import cast, get_args

from absl import flags, logging

from tfwavenet import export
from tfwavenet.launch import app
from tfwavenet.training import workdir as workdirs

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a training run.", required=True, flag_values=FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of all versions; default: <workdir>/export.", flag_values=FLAGS
)
_FORM = flags.DEFINE_enum(
    "form",
    "portable",
    get_args(export.Form),
    "Loads everywhere, or is compiled by a server that allows it.",
    flag_values=FLAGS,
)
_VERSION = flags.DEFINE_integer(
    "version", None, "Number of the version; default: the next.", lower_bound=1, flag_values=FLAGS
)
_WEIGHTS = flags.DEFINE_enum(
    "weights", "ema", ["ema", "raw"], "Averaged or last weights.", flag_values=FLAGS
)
_CHUNK_SAMPLES = flags.DEFINE_integer(
    "chunk_samples", None, "Samples per call of the network.", lower_bound=1, flag_values=FLAGS
)
_MAX_SAMPLES = flags.DEFINE_integer(
    "max_samples", 2**20, "Longest utterance of a request.", lower_bound=1, flag_values=FLAGS
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch", 64, "Most utterances in a request.", lower_bound=1, flag_values=FLAGS
)


def _export() -> None:
    loaded = workdirs.load(_WORKDIR.value, weights=cast(workdirs.Weights, _WEIGHTS.value))
    path = export.export_saved_model(
        loaded.model,
        _OUTPUT.value or workdirs.Workdir(_WORKDIR.value).path / "export",
        form=cast(export.Form, _FORM.value),
        version=_VERSION.value,
        chunk_samples=_CHUNK_SAMPLES.value,
        max_samples=_MAX_SAMPLES.value,
        max_batch=_MAX_BATCH.value,
    )
    logging.info("wrote %s", path.absolute())


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_export, FLAGS)


if __name__ == "__main__":
    main()
