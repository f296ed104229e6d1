"""Checkpoints of NVIDIA/nv-wavenet: its training network, and the dictionary of its wrapper.

Source: https://github.com/NVIDIA/nv-wavenet, `pytorch/`, at 03f6957.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from absl import logging

from tfwavenet.audio import recipes
from tfwavenet.interop import torch_files
from tfwavenet.interop.checkpoint import Source
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors, assign_torch_layer, split
from tfwavenet.layers import IdentityUpsampler, LearnedUpsampler
from tfwavenet.models import WaveNet

_LAYERS, _MAX_DILATION = 16, 128  # of the published configuration
_LARGEST_DILATION = 2**20
_WHERE = "no tensor tells it, but config.json beside the checkpoint, or --hyperparameters=FILE"


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
        model = wrapped_network(source.tensors(), _wrapper_settings(source))
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
    classes, residual = tensors.shape("embedding_curr", 2)
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
    classes, residual = tensors.shape("embed.weight", 2)
    mels, _, window = tensors.shape("upsample.weight", 3)
    stride = hyper.integer("upsamp_stride", window // 4)
    if stride < 1 or window % stride:
        raise ValueError(
            f"{source.origin}: Expected upsamp_stride to divide the window of {window} samples; "
            f"{_WHERE}. Received: upsamp_stride={stride}"
        )
    hyper.agreed("n_cond_channels", mels)
    model = WaveNet(
        **_sizes(
            hyper.agreed("n_layers", layers),
            hyper.agreed("n_residual_channels", residual),
            _max_dilation(source, hyper, layers),
        ),
        skip_channels=hyper.agreed(
            "n_skip_channels", tensors.shape("skip_layers.0.conv.bias", 1)[0]
        ),
        head_channels=tensors.shape("conv_out.conv.weight", 3)[0],
        distribution={
            "class_name": "Categorical",
            "config": {"classes": hyper.agreed("n_in_channels", classes)},
        },
        upsampler=LearnedUpsampler((stride,), kernel_frames=window // stride),
        local_channels=mels,
        local_bias=True,
        recipe=hyper.recipe(
            recipes.get("nv_wavenet"),
            {"hop_samples": stride, "n_mels": mels},
            {"hop_samples": "upsamp_stride", "n_mels": "n_cond_channels"},
        ),
    )
    model.build()
    _assign(model, tensors)
    tensors.finish()
    return model


def _wrapper_settings(source: Source) -> dict[str, Any]:
    """Returns what the wrapper takes beside the tensors, from the file or the hyper-parameters."""
    hyper = Hyperparameters(source.content, source.origin)
    if not {"max_dilation", "use_embed_tanh"} <= set(source.content):
        given = _hyperparameters(source)
        names = [name for name in ("max_dilation", "use_embed_tanh") if name in given]
        beside = {"max_dilation": given.integer("max_dilation", None)}
        beside["use_embed_tanh"] = given.flag("use_embed_tanh", False)
        settings = {**{name: beside[name] for name in names}, **source.content}
        hyper = Hyperparameters(settings, source.origin)
    for key in ("max_dilation", "use_embed_tanh"):
        if key not in hyper:
            raise ValueError(
                f"{source.origin}: Expected {key!r} beside the tensors, as the wrapper takes it; "
                f"{_WHERE}. Received: tensors alone"
            )
    return {
        "max_dilation": _power_of_two(source, hyper.integer("max_dilation", 1)),
        "use_embed_tanh": hyper.flag("use_embed_tanh", False),
    }


def _max_dilation(source: Source, hyper: Hyperparameters, layers: int) -> int:
    """Returns the largest dilation, as given, as the saved network has it, or as published."""
    if "max_dilation" in hyper:
        return _power_of_two(source, hyper.integer("max_dilation", _MAX_DILATION))
    network = source.content.get("model")
    if isinstance(network, torch_files.Module):
        told = Hyperparameters(getattr(network, "attributes", {}), source.origin)
        if "max_dilation" in told:
            return _power_of_two(source, told.integer("max_dilation", 1))
    if layers != _LAYERS:
        logging.warning(
            "%s: max_dilation=%d is assumed, as in the published network; %s",
            source.origin,
            _MAX_DILATION,
            _WHERE,
        )
    return _MAX_DILATION


def _power_of_two(source: Source, max_dilation: int) -> int:
    if max_dilation & (max_dilation - 1) or max_dilation > _LARGEST_DILATION:
        raise ValueError(
            f"{source.origin}: Expected max_dilation to be a power of two up to "
            f"{_LARGEST_DILATION}; {_WHERE}. Received: max_dilation={max_dilation}"
        )
    return max_dilation


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
