"""Exports a trained model for TF Serving, as a version of a SavedModel directory.

    tfwavenet-export --workdir=runs/digits --output_dir=served/digits

With --form=xla the server compiles the model. A server on CPU must be told that it may compile
(tensorflow_model_server --xla_cpu_compilation_enabled=true).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from absl import flags, logging

from tfwavenet.launch import app, model_flags

if TYPE_CHECKING:
    from tfwavenet.export import Form

FLAGS = flags.FlagValues()
_MODEL = model_flags.define(FLAGS)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder of all versions; default: <workdir>/export.", flag_values=FLAGS
)
_FORM = flags.DEFINE_enum(
    "form",
    "portable",
    ["portable", "xla"],
    "portable: runs in every server; xla: compiled by a server that allows it.",
    flag_values=FLAGS,
)
_VERSION = flags.DEFINE_integer(
    "version", None, "Number of the version; default: the next.", lower_bound=1, flag_values=FLAGS
)
_CHUNK_SAMPLES = flags.DEFINE_integer(
    "chunk_samples", None, "Samples per call of the network.", lower_bound=1, flag_values=FLAGS
)
_MAX_SAMPLES = flags.DEFINE_integer(
    "max_samples",
    2**20,
    "Samples of the longest utterance in a request.",
    lower_bound=1,
    flag_values=FLAGS,
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch", 64, "Largest number of utterances in a request.", lower_bound=1, flag_values=FLAGS
)
_MAX_TOTAL_SAMPLES = flags.DEFINE_integer(
    "max_total_samples",
    None,
    "Samples of all utterances in a request together; default: 4 times --max_samples.",
    lower_bound=1,
    flag_values=FLAGS,
)


def _export() -> None:
    path = _MODEL.run().export(
        _OUTPUT_DIR.value,
        form=cast("Form", _FORM.value),
        version=_VERSION.value,
        chunk_samples=_CHUNK_SAMPLES.value,
        max_samples=_MAX_SAMPLES.value,
        max_batch=_MAX_BATCH.value,
        max_total_samples=_MAX_TOTAL_SAMPLES.value,
    )
    logging.info("wrote %s", path.absolute())


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_export, FLAGS)


if __name__ == "__main__":
    main()
