"""Checkpoints of NVIDIA/nv-wavenet: its training network, and the dictionary of its wrapper.

Source: https://github.com/NVIDIA/nv-wavenet, `pytorch/`, at 03f6957.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tfwavenet.audio import recipes
from tfwavenet.interop.checkpoint import Hyperparameters, Source
from tfwavenet.interop.tensors import Tensors, assign_torch_layer, split
from tfwavenet.layers import IdentityUpsampler, LearnedUpsampler
from tfwavenet.models import WaveNet

_MAX_DILATION = 128  # of the published configuration


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return matches_wrapper(names) or (
        "dilate_layers.0.conv.weight" in names and "embed.weight" in names
    )


def matches_wrapper(names: Collection[str]) -> bool:
    """Tells whether the names are arguments of the wrapper's class."""
    return "embedding_curr" in names and "dilate_weights.0" in names


def convert(source: Source) -> tuple[WaveNet, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    if matches_wrapper(source.arrays):
        for key in ("max_dilation", "use_embed_tanh"):
            if key not in source.content:
                raise ValueError(
                    f"{source.origin}: Expected {key!r} beside the tensors, as the wrapper takes "
                    f"it. Received: {sorted(set(source.content) - set(source.arrays))}"
                )
        model = wrapped_network(source.tensors(), source.content)
    else:
        model = _training_network(source)
    return model, source.step("iteration")


def wrapped_network(
    tensors: Tensors, settings: Mapping[str, Any], cls: type[WaveNet] = WaveNet
) -> WaveNet:
    """Builds the network of the dictionary that the wrapper's class takes.

    Features of the network are the conditioning of all layers side by side, at the sample rate.

    Args:
        tensors: tensors under the names of the wrapper's arguments, numbered for lists.
        settings: `"max_dilation"` and `"use_embed_tanh"`.
        cls: class of the model.
    """
    layers = tensors.count("dilate_weights.{}")
    classes, residual = tensors.shape("embedding_curr")
    model = cls(
        **_sizes(layers, residual, settings["max_dilation"]),
        skip_channels=tensors.shape("skip_weights.0")[0],
        head_channels=tensors.shape("conv_out_weight")[0],
        distribution={"class_name": "Categorical", "config": {"classes": classes}},
        input_kernel_size=2,
        input_activation="tanh" if settings["use_embed_tanh"] else None,
        upsampler=IdentityUpsampler(),
        local_channels=layers * 2 * residual,
        project_local=False,
    )
    model.build()
    shape = (classes, residual)
    embeddings = [tensors.take(f"embedding_{name}", shape) for name in ("prev", "curr")]
    model.input_conv.kernel.assign(np.stack(embeddings))
    for index, block in enumerate(model.blocks):
        for layer, name in (
            (block.conv, "dilate"),
            (block.skip_projection, "skip"),
            (block.residual_projection, "res"),
        ):
            if layer is not None:
                weights = tensors.with_axes(f"{name}_weights.{index}", 3)
                tensors.assign(layer.kernel, weights, transpose=True)
                tensors.assign(layer.bias, f"{name}_biases.{index}")
    for layer, name in zip(model.head, ("conv_out_weight", "conv_end_weight")):
        tensors.assign(layer.kernel, tensors.with_axes(name, 3), transpose=True)
    tensors.finish()
    return model


def _sizes(layers: int, residual: int, max_dilation: int) -> dict[str, Any]:
    """Returns the arguments that both forms have in common."""
    return {
        "num_layers": layers,
        "dilation_cycle": int(math.log2(max_dilation)) + 1,
        "residual_channels": residual,
        "gate_channels": 2 * residual,
        "kernel_size": 2,
        "head_bias": False,
        "input_bias": False,
        "residual_scale": 1.0,
        "skip_mode": "sum",
        "weight_norm": False,
    }


def _training_network(source: Source) -> WaveNet:
    hyper = _hyperparameters(source)
    layers = source.tensors().count("dilate_layers.{}.conv.weight")
    tensors = source.tensors(split(source.arrays, "cond_layers.conv", range(layers)))
    classes, residual = tensors.shape("embed.weight")
    window = tensors.shape("upsample.weight")[2]
    stride = hyper.get("upsamp_stride", window // 4)
    if window % stride:
        raise ValueError(
            f"{source.origin}: Expected upsamp_stride to divide the window of {window} samples. "
            f"Received: upsamp_stride={stride}"
        )
    mels = hyper.agreed("n_cond_channels", tensors.shape("upsample.weight")[0])
    model = WaveNet(
        **_sizes(
            hyper.agreed("n_layers", layers),
            hyper.agreed("n_residual_channels", residual),
            hyper.get("max_dilation", _MAX_DILATION),
        ),
        skip_channels=hyper.agreed("n_skip_channels", tensors.shape("skip_layers.0.conv.bias")[0]),
        head_channels=tensors.shape("conv_out.conv.weight")[0],
        distribution={
            "class_name": "Categorical",
            "config": {"classes": hyper.agreed("n_in_channels", classes)},
        },
        upsampler=LearnedUpsampler((stride,), kernel_frames=window // stride),
        local_channels=mels,
        local_bias=True,
        recipe=dataclasses.replace(recipes.get("nv_wavenet"), hop_samples=stride, n_mels=mels),
    )
    model.build()
    _assign(model, tensors)
    tensors.finish()
    return model


def _hyperparameters(source: Source) -> Hyperparameters:
    """Returns hyper-parameters from the file, or from the `config.json` of a training run."""
    if source.given is None and "config" in source.content:
        return Hyperparameters(source.content["config"], source.origin)
    hyper = source.hyperparameters("config.json")
    return hyper.section("wavenet_config") if "wavenet_config" in hyper else hyper


def _assign(model: WaveNet, tensors: Tensors) -> None:
    model.input_conv.kernel.assign(tensors.take("embed.weight")[np.newaxis])
    assign_torch_layer(model.upsampler.conv, tensors, "upsample")
    for index, block in enumerate(model.blocks):
        assign_torch_layer(block.conv, tensors, f"dilate_layers.{index}.conv")
        assign_torch_layer(block.skip_projection, tensors, f"skip_layers.{index}.conv")
        assign_torch_layer(block.residual_projection, tensors, f"res_layers.{index}.conv")
        assign_torch_layer(block.local_projection, tensors, f"cond_layers.conv.{index}")
    assign_torch_layer(model.head[0], tensors, "conv_out.conv")
    assign_torch_layer(model.head[1], tensors, "conv_end.conv")
