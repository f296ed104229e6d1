"""The import launcher: from a checkpoint of another project to a workdir like any other."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.support.recordings import write_corpus
from tests.support.shared import REPOSITORY
from tfwavenet import interop, training
from tfwavenet.audio import audio_files
from tfwavenet.launch import evaluate, export, generate, import_checkpoint, prepare
from tfwavenet.training import workdir as workdirs

FILES = REPOSITORY / "tests" / "interop" / "files"
CONFIG = {"diffusion_config": {"T": 4}, "wavenet_config": {"dilation_cycle": 2}}


def run(launcher, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tfwavenet", *(str(item) for item in arguments)])
        with pytest.raises(SystemExit) as exit_:
            launcher.main()
    return exit_.value.code


def import_into(folder, *arguments, name="philsyn_vocoder.pkl"):
    config = folder.parent / "config.json"
    config.write_text(json.dumps(CONFIG))
    options = [f"--checkpoint={FILES / name}", f"--hyperparameters={config}"]
    return run(import_checkpoint, *options, f"--workdir={folder}", *arguments)


def test_an_imported_workdir_generates_what_the_checkpoint_does(tmp_path, capsys):
    assert import_into(tmp_path / "run") == 0
    mel = np.random.default_rng(0).normal(size=[6, 5]).astype(np.float32)
    np.save(tmp_path / "a.npy", mel)
    options = (f"--mel={tmp_path / 'a.npy'}", f"--output={tmp_path / 'a.wav'}", "--seed=3")
    assert run(generate, f"--workdir={tmp_path / 'run'}", *options) == 0
    audio, rate = audio_files.read(tmp_path / "a.wav")
    model = interop.load(FILES / "philsyn_vocoder.pkl", hyperparameters=CONFIG).model
    assert rate == 22050
    np.testing.assert_allclose(audio, model.generate(mel, seed=3), atol=1e-4)


_IN_ANOTHER_PROCESS = """
import sys
import numpy as np
from tfwavenet.training import workdir
data = dict(np.load(sys.argv[2]))
np.save(sys.argv[3], workdir.load(sys.argv[1]).model(data))
"""


def test_another_process_computes_the_same_to_the_bit(tmp_path, capsys):
    assert import_into(tmp_path / "run") == 0
    rng = np.random.default_rng(0)
    data = {"audio": rng.normal(size=[2, 32]), "mel": rng.normal(size=[2, 2, 5])}
    data = {name: value.astype(np.float32) for name, value in data.items()}
    data["step"] = np.array([0, 3], np.int32)
    np.savez(tmp_path / "in.npz", **data)
    arguments = [str(tmp_path / name) for name in ("run", "in.npz", "out.npy")]
    subprocess.run([sys.executable, "-c", _IN_ANOTHER_PROCESS, *arguments], check=True)
    model = interop.load(FILES / "philsyn_vocoder.pkl", hyperparameters=CONFIG).model
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model(data))


def test_an_imported_network_trains_on(tmp_path):
    model = interop.load(FILES / "philsyn_vocoder.pkl", hyperparameters=CONFIG).model
    corpus = write_corpus(tmp_path / "corpus", each=2)
    training_config = {"steps_per_epoch": 2, "validation_batches": 0, "sample_epochs": 0}
    data = {"corpus": "folder", "root": str(corpus), "batch_size": 1, "crop_frames": 2}
    config = {"data": data, "training": training_config}
    workdirs.store(model, tmp_path / "run", step=5, config=config)
    before = workdirs.load(tmp_path / "run")
    assert before.metadata.step == 4
    resolved = before.config.to_dict()
    resolved["training"]["steps"] = 8
    training.run(resolved, tmp_path / "run")
    after = workdirs.load(tmp_path / "run", weights="raw")
    assert after.metadata.step == 8
    kernels = [loaded.model.output_conv.kernel.numpy() for loaded in (before, after)]
    assert 0 < np.abs(kernels[1] - kernels[0]).max() < 0.1


@pytest.mark.slow
def test_every_command_works_on_what_was_imported(tmp_path, capsys):
    corpus, folder = write_corpus(tmp_path / "corpus", each=20), tmp_path / "run"
    assert import_into(folder, "--corpus=folder", f"--root={corpus}") == 0
    workdir = f"--workdir={folder}"
    assert run(prepare, workdir) == 0
    assert run(evaluate, workdir, "--max_utterances=1") == 0
    report = json.loads((folder / "evaluation" / "test" / "report.json").read_text())
    assert {"model", "griffin_lim"} <= report["systems"].keys()
    assert run(export, workdir) == 0
    mel = np.random.default_rng(0).normal(size=[1, 6, 5]).astype(np.float32)
    served = tf.saved_model.load(str(folder / "export" / "1")).signatures["serving_default"]
    given = {"seed": tf.constant([3], tf.int64), "temperature": tf.constant(1.0)}
    model = interop.load(FILES / "philsyn_vocoder.pkl", hyperparameters=CONFIG).model
    audio = served(mel=tf.constant(mel), **given)["audio"]
    np.testing.assert_allclose(audio[0], model.generate(mel[0], seed=3), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--speakers=ann"], "Expected names for the model's 0 speakers."),
        (["--checkpoint=none.pth"], "none.pth: No such file"),
        (["--workdir={}"], "Expected a new workdir. Received: workdir="),
        (["--hyperparameters=none.json"], "none.json"),
    ],
)
def test_what_cannot_be_imported_is_said_in_one_sentence(tmp_path, capsys, arguments, sentence):
    (tmp_path / "config.json").write_text("{}")
    given = [argument.format(tmp_path) for argument in arguments]
    assert import_into(tmp_path / "run", *given) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert sentence in error


def test_conditioning_made_elsewhere_is_no_workdir(tmp_path):
    model = interop.load(FILES / "philsyn_unconditional.pkl", hyperparameters=CONFIG).model
    model.recipe = None
    with pytest.raises(ValueError, match="with a feature recipe is expected"):
        workdirs.store(model, tmp_path)
