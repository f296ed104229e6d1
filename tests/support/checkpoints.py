"""Checkpoints in the formats of other projects, for tests of what is imported."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.shared import REPOSITORY

FILES = REPOSITORY / "tests" / "interop" / "files"
IBAB_DILATIONS = [1, 2, 1, 2]
Variables = dict[str, np.ndarray]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def philsyn_config(layers: int = 3, cycle: int = 2, **data: Any) -> dict[str, Any]:
    """What philsyn's projects keep in `config.json`."""
    return {
        "diffusion_config": {"T": 30, "beta_0": 1e-4, "beta_T": 0.05},
        "wavenet_config": {"num_res_layers": layers, "dilation_cycle": cycle, "res_channels": 4},
        "trainset_config": data,
    }


def ibab_variables(
    biases: bool,
    speakers: int | None,
    *,
    layers: int = 4,
    width: int = 2,
    classes: int = 8,
    residual: int = 3,
    dilated: int = 5,
    skip: int = 6,
) -> Variables:
    """The weights of a small network of ibab/tensorflow-wavenet."""
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


def write_ibab(folder: pathlib.Path, variables: Variables) -> pathlib.Path:
    """Writes them as TensorFlow 1 does, with the parameters beside them; gives the index."""
    parameters = {"dilations": IBAB_DILATIONS, "filter_width": 2, "sample_rate": 16000}
    (folder / "wavenet_params.json").write_text(json.dumps(parameters))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        slots = {"beta1_power": np.float32(0.9), "wavenet/causal_layer/filter/Adam": noise(3)}
        saved = [
            tf.compat.v1.get_variable(name, initializer=value)
            for name, value in {**variables, **slots}.items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(saved).save(session, str(folder / "model.ckpt"), global_step=700)
    return folder / "model.ckpt-700.index"


REVSIC_PARAMETERS = {
    "model": {"num_layers": 4, "num_cycles": 2, "iter": 12, "leak": 0.4, "channels": 4},
    "data": {"sr": 22050, "hop": 16, "mel": 5},
}


def revsic_variables(
    layers: int = 4, channels: int = 4, mels: int = 5, embedded: int = 6
) -> Variables:
    """The weights of a small network of revsic/tf-diffwave."""
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


def write_revsic(folder: pathlib.Path, variables: Variables) -> pathlib.Path:
    """Writes them as TensorFlow 2 does; gives the prefix."""
    model = tf.train.Checkpoint(wavenet=_as_tree(variables))
    optimizer = _as_tree({"iter": np.int64(9), "learning_rate": np.float32(1e-3)})
    prefix = folder / "run_9.ckpt-1"
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(prefix))
    return prefix


def _as_tree(variables: dict[str, Any]) -> tf.train.Checkpoint:
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
