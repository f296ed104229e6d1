"""A run over text: trained, killed and resumed, loaded, evaluated; and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.texts import numbered_text
from tfwavenet import training
from tfwavenet.data.pipeline import Records
from tfwavenet.run import Run
from tfwavenet.training import workdir as workdirs
from tfwavenet.training.config import default_config


def config(folder, **settings):
    """Two epochs of two updates of a tiny network, on a text that is written into the folder."""
    path = folder / "book.txt"
    path.write_text(numbered_text(), encoding="utf-8")
    chosen = default_config()
    chosen.recipe = {"base": "text", "classes": 64}
    chosen.model.update(
        num_layers=2,
        dilation_cycle=2,
        residual_channels=4,
        gate_channels=8,
        skip_channels=4,
        distribution={"class_name": "Categorical", "config": {"classes": 64}},
    )
    chosen.data.update(corpus="text", root=str(path), batch_size=2, crop_frames=32)
    chosen.training.update(
        steps=4, steps_per_epoch=2, validation_batches=1, sample_epochs=2, sample_characters=30
    )
    chosen.training.update(**settings)
    return chosen


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    history = training.run(config(folder), folder / "run")
    return folder, history


def test_losses_are_in_bits(run):
    _, history = run
    logs = history.history
    bits = np.array(logs["loss"]) / np.log(2)
    np.testing.assert_allclose(bits, logs["bits_per_sample"], rtol=np.finfo(np.float32).eps)
    assert len(logs["val_bits_per_sample"]) == 2


def test_a_resumed_run_has_the_same_weights(run, tmp_path):
    folder, _ = run
    training.run(config(tmp_path, steps=2), tmp_path / "run")
    training.run(config(tmp_path), tmp_path / "run")
    one, other = (workdirs.load(path / "run", weights="raw").model for path in (folder, tmp_path))
    for weight, expected in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(weight, expected)


def test_held_out_text_is_continued(run):
    folder, _ = run
    records = Records(folder / "run" / "data")
    held_out = records.recipe.decode(records.utterance("validation", 0).signal)[:30]
    samples = folder / "run" / "samples"
    (written,) = (samples / "00000004").glob("*.txt")
    made = written.read_text("utf-8")
    assert made[:15] == held_out[:15]
    assert len(made) == 30
    assert (samples / "recording" / written.name).read_text("utf-8") == held_out


def test_the_workdir_is_loaded_and_evaluated(run, tmp_path):
    folder, _ = run
    loaded = workdirs.load(folder / "run")
    assert loaded.metadata.recipe == Records(folder / "run" / "data").recipe
    assert loaded.model.generate_text("12", num_characters=5, jit_compile=False)
    report = Run(folder / "run").evaluate("validation", output_dir=tmp_path)
    edges = [round(share * len(numbered_text())) for share in (0.9, 0.95)]
    assert report["text"]["characters"] == edges[1] - edges[0]
    assert report["model"]["receptive_field_samples"] == loaded.model.receptive_field


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model.upsampler": {"class_name": "StretchUpsampler", "config": {"scales": [2]}}},
            "takes no acoustic features",
        ),
        ({"model.distribution": "Gaussian"}, "64 classes of the text recipe"),
        ({"model.speaker_channels": 4}, "needs data of several speakers"),
        ({"recipe": "speech_8k"}, "prepared by a text recipe"),
        ({"data.corpus": "bundled", "data.root": None}, "prepared by a text recipe"),
        ({"training.sample_characters": 1}, "an integer of at least 2"),
        ({"recipe": {"base": "text", "clases": 64}}, "did you mean 'classes'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, change, message):
    chosen = config(tmp_path)
    chosen.update_from_flattened_dict(change)
    with pytest.raises(ValueError, match=message):
        training.run(chosen, tmp_path / "run")
