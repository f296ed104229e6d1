"""Families without golden files: their networks against NumPy, from files in their formats."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.support import numpy_networks
from tfwavenet import interop
from tfwavenet.audio import recipes
from tfwavenet.interop import torch_files

FILES = pathlib.Path(__file__).parent / "files"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def philsyn_config(layers=3, cycle=2, **data):
    return {
        "diffusion_config": {"T": 30, "beta_0": 1e-4, "beta_T": 0.05},
        "wavenet_config": {"num_res_layers": layers, "dilation_cycle": cycle, "res_channels": 4},
        "trainset_config": data,
    }


def test_philsyn_vocoder(tmp_path):
    path = tmp_path / "1000.pkl"
    shutil.copy(FILES / "philsyn_vocoder.pkl", path)
    config = philsyn_config(sampling_rate=22050, hop_length=16, mel_fmax=8000.0)
    (tmp_path / "config.json").write_text(json.dumps(config))
    imported = interop.load(path)
    audio, mel, steps = noise(2, 48), noise(2, 3, 5, seed=1), np.array([0, 29])
    ours = imported.model({"audio": audio, "step": tf.constant(steps), "mel": mel})
    state = torch_files.read(path)["model_state_dict"]
    theirs = numpy_networks.philsyn(state, audio, steps, np.transpose(mel, [0, 2, 1]), cycle=2)
    assert_close(ours, theirs)
    assert (imported.family, imported.step) == ("philsyn", 1000)
    assert imported.model.recipe.fmax_hz == 8000.0
    assert len(imported.model.schedule.betas) == 30


def test_philsyn_unconditional():
    path = FILES / "philsyn_unconditional.pkl"
    imported = interop.load(path, hyperparameters=philsyn_config(sampling_rate=16000))
    audio, steps = noise(2, 40), np.array([3, 17])
    ours = imported.model({"audio": audio, "step": tf.constant(steps)})
    state = torch_files.read(path)["model_state_dict"]
    assert_close(ours, numpy_networks.philsyn(state, audio, steps, cycle=2))
    assert imported.model.recipe.sample_rate == 16000


def ibab_variables(
    biases, speakers, *, layers=4, width=2, classes=8, residual=3, dilated=5, skip=6
):
    shapes = {"causal_layer/filter": [width, classes, residual]}
    for index in range(layers):
        layer = f"dilated_stack/layer{index}/"
        for part in ("filter", "gate"):
            shapes[layer + part] = [width, residual, dilated]
            if speakers:
                shapes[f"{layer}gc_{part}"] = [1, 2, dilated]
        shapes[layer + "dense"] = [1, dilated, residual]
        shapes[layer + "skip"] = [1, dilated, skip]
        if biases:
            names = ("Variable", "Variable_1", "Variable_2", "Variable_3")
            for name, size in zip(names, (dilated, dilated, residual, skip)):
                shapes[layer + name] = [size]
    shapes["postprocessing/postprocess1"] = [1, skip, skip]
    shapes["postprocessing/postprocess2"] = [1, skip, classes]
    if biases:
        shapes["postprocessing/Variable"] = [skip]
        shapes["postprocessing/Variable_1"] = [classes]
    if speakers:
        shapes["embeddings/gc_embedding"] = [speakers, 2]
    return {
        f"wavenet/{name}": noise(*shape, seed=seed)
        for seed, (name, shape) in enumerate(shapes.items())
    }


def save_as_tensorflow_1(variables, prefix):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        slots = {"beta1_power": np.float32(0.9), "wavenet/causal_layer/filter/Adam": noise(3)}
        saved = [
            tf.compat.v1.get_variable(name, initializer=value)
            for name, value in {**variables, **slots}.items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        return tf.compat.v1.train.Saver(saved).save(session, str(prefix), global_step=700)


@pytest.mark.parametrize(("biases", "speakers"), [(True, None), (False, None), (True, 3)])
def test_ibab(tmp_path, biases, speakers):
    variables = ibab_variables(biases, speakers)
    save_as_tensorflow_1(variables, tmp_path / "model.ckpt")
    dilations = [1, 2, 1, 2]
    parameters = {"dilations": dilations, "filter_width": 2, "sample_rate": 16000}
    (tmp_path / "wavenet_params.json").write_text(json.dumps(parameters))
    imported = interop.load(tmp_path / "model.ckpt-700.index")
    codes = np.random.default_rng(1).integers(0, 8, [2, 20])
    batch, theirs = {"audio": tf.constant(codes, tf.int32)}, {}
    if speakers:
        batch["speaker"] = tf.constant([2, 0])
        theirs["speaker"] = np.array([2, 0])
    expected = numpy_networks.ibab(variables, codes, dilations, **theirs)
    assert_close(imported.model(batch), np.transpose(expected, [0, 2, 1]))
    assert (imported.family, imported.step) == ("ibab", 700)
    assert imported.model.recipe.mulaw_rounding == "nearest"


def revsic_variables(layers=4, channels=4, mels=5, embedded=6):
    shapes = {"proj": ([1, 1, channels], [channels])}
    shapes["proj_embed/0"] = ([128, embedded], [embedded])
    shapes["proj_embed/1"] = ([embedded, embedded], [embedded])
    for stage in range(2):
        shapes[f"upsample/{stage}"] = ([8, 3, 1, 1], [1])
    for index in range(layers):
        block = f"blocks/{index}/"
        shapes[block + "proj_embed"] = ([embedded, channels], [channels])
        shapes[block + "conv"] = ([3, channels, 2 * channels], [1, 1, 2 * channels])
        shapes[block + "proj_mel"] = ([1, mels, 2 * channels], [2 * channels])
        shapes[block + "proj_skip"] = ([1, channels, channels], [channels])
        if index < layers - 1:
            shapes[block + "proj_res"] = ([1, channels, channels], [channels])
    shapes["proj_out/0"] = ([1, channels, channels], [channels])
    shapes["proj_out/1"] = ([1, channels, 1], [1])
    return {
        f"{name}/{part}": 0.3 * noise(*shape, seed=index)
        for index, (name, pair) in enumerate(shapes.items())
        for part, shape in zip(("kernel", "bias"), pair)
    }


def as_tree(variables):
    """The objects whose attributes the names are, lists where these are numbers."""
    root = tf.train.Checkpoint()
    for name, value in variables.items():
        node = root
        *path, last = name.split("/")
        for part in path:
            if not hasattr(node, part):
                setattr(node, part, tf.train.Checkpoint())
            node = getattr(node, part)
        setattr(node, last, tf.Variable(value))
    return root


def test_revsic(tmp_path):
    variables = revsic_variables()
    model = tf.train.Checkpoint(wavenet=as_tree(variables))
    optimizer = as_tree({"iter": np.int64(9), "learning_rate": np.float32(1e-3)})
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "run_9.ckpt-1"))
    settings = {"num_layers": 4, "num_cycles": 2, "iter": 12, "leak": 0.4, "channels": 4}
    parameters = {"model": settings, "data": {"sr": 22050, "hop": 16, "mel": 5}}
    imported = interop.load(tmp_path / "run_9.ckpt-1", hyperparameters=parameters)
    audio, mel, steps = noise(2, 48), noise(2, 3, 5, seed=1), np.array([1, 12])
    ours = imported.model({"audio": audio, "step": tf.constant(steps - 1), "mel": mel})
    theirs = numpy_networks.revsic(variables, audio, steps, np.transpose(mel, [0, 2, 1]), cycle=2)
    assert_close(ours, theirs)
    assert (imported.family, imported.step) == ("revsic", 9)


@pytest.mark.parametrize("form", ["zip", "stream"])
def test_a_training_run_of_nv_wavenet(form):
    path = FILES / f"nv_wavenet_run.{form}.pt"
    imported = interop.load(path, hyperparameters={"max_dilation": 2, "upsamp_stride": 2})
    state = torch_files.read(path)["model"].state_dict()
    assert (imported.family, imported.step) == ("nv_wavenet", 5)
    np.testing.assert_array_equal(
        imported.model.blocks[1].conv.kernel,
        np.transpose(state["dilate_layers.1.conv.weight"]),
    )


# What the projects publish: the recipe of the checkpoint is then the named one.
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("philsyn_vocoder.pkl", {}, {"base": "philsyn", "n_mels": 5, "hop_samples": 16}),
        ("philsyn_unconditional.pkl", {}, {"base": "philsyn", "sample_rate": 16000}),
        (
            "nv_wavenet_run.zip.pt",
            {"upsamp_stride": 2, "max_dilation": 2},
            {"base": "nv_wavenet", "n_mels": 3, "hop_samples": 2},
        ),
    ],
)
def test_the_recipe_is_that_of_the_family(name, values, expected):
    imported = interop.load(FILES / name, hyperparameters=values)
    assert imported.model.recipe == recipes.get(expected)
