"""Imports a checkpoint of another project, for the other commands to work on.

    tfwavenet-import --checkpoint=step1000000_ema.pth --workdir=runs/mol
    tfwavenet-generate --workdir=runs/mol --audio=some.wav --output=again.wav

Known are r9y9/wavenet_vocoder, lmnt-com/diffwave, philsyn/DiffWave-*, NVIDIA/nv-wavenet,
CODEJIN/WaveNet, ibab/tensorflow-wavenet and revsic/tf-diffwave. Hyper-parameters are read from the
JSON file that the project writes beside its checkpoints, and from the tensors. Nothing that a file
contains is run.

With recordings it can be evaluated, or trained further:

    tfwavenet-import --checkpoint=weights.pt --workdir=runs/lj --corpus=ljspeech --root=LJSpeech-1.1
    tfwavenet-prepare --workdir=runs/lj
    tfwavenet-evaluate --workdir=runs/lj
"""

from __future__ import annotations

from absl import flags, logging

from tfwavenet.launch import app

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "File of PyTorch, or .index file of TensorFlow.",
    required=True,
    flag_values=FLAGS,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "A new folder.", required=True, flag_values=FLAGS)
_HYPERPARAMETERS = flags.DEFINE_string(
    "hyperparameters",
    None,
    "JSON file; default: the file beside the checkpoint.",
    flag_values=FLAGS,
)
_SPEAKERS = flags.DEFINE_list(
    "speakers",
    [],
    "Names of the speakers, in the order of their numbers, separated by commas.",
    flag_values=FLAGS,
)
_CORPUS = flags.DEFINE_string(
    "corpus",
    "folder",
    "Corpus for evaluation and training, see tfwavenet-prepare.",
    flag_values=FLAGS,
)
_ROOT = flags.DEFINE_string("root", None, "Folder of the corpus.", flag_values=FLAGS)


def _import() -> None:
    from tfwavenet import interop
    from tfwavenet.training import workdir as workdirs

    imported = interop.load(_CHECKPOINT.value, hyperparameters=_HYPERPARAMETERS.value)
    if imported.model.recipe is None:
        raise ValueError(
            f"this checkpoint of {imported.family} does not say how its features are computed, so it "
            "cannot become a run; tfwavenet.interop.load gives the model, and "
            "examples/nv_wavenet_test.py generates from the files of nv-wavenet's wrapper. "
            f"Received: --checkpoint={_CHECKPOINT.value}"
        )
    workdirs.store(
        imported.model,
        _WORKDIR.value,
        speakers=_SPEAKERS.value,
        step=imported.step,
        config={"data": {"corpus": _CORPUS.value, "root": _ROOT.value}},
    )
    logging.info(
        "%s of %s, %d weights, is in %s",
        type(imported.model).__name__,
        imported.family,
        imported.model.count_params(),
        _WORKDIR.value,
    )


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_import, FLAGS)


if __name__ == "__main__":
    main()
