"""Checkpoints of ibab/tensorflow-wavenet, which TensorFlow 1 wrote.

Its fast generation begins with empty queues, unlike its training. To begin as training does, give
`generate` a `prompt` of silence as long as the receptive field.

Source: https://github.com/ibab/tensorflow-wavenet, at 3c973c0.
"""

from __future__ import annotations

from collections.abc import Collection

import tensorflow as tf

from tfwavenet.audio import recipes
from tfwavenet.interop.checkpoint import Source
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors
from tfwavenet.models import WaveNet

_ROOT = "wavenet/"
_LAYER = _ROOT + "dilated_stack/layer{}/"
_EMBEDDING = _ROOT + "embeddings/gc_embedding"
_POST = _ROOT + "postprocessing/"
_DEFAULT_CYCLE = 10
_MOST_LAYERS = 1000
# Slots of the optimizers.
_UNUSED = (r".*/(Adam|Adam_1|Momentum|RMSProp|RMSProp_1)", r"(.*/)?beta[12]_power")


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return _ROOT + "causal_layer/filter" in names


def convert(source: Source) -> tuple[WaveNet, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    tensors = source.tensors()
    model = _model(tensors, source.hyperparameters("wavenet_params.json"))
    model.build()
    _assign(model, tensors, has_biases=_LAYER.format(0) + "Variable" in tensors)
    tensors.finish(_UNUSED)
    name = source.path.name
    step = name.rpartition("-")[2]
    return model, int(step) if step.isdecimal() else 0


def _model(tensors: Tensors, hyper: Hyperparameters) -> WaveNet:
    width, classes, residual = tensors.shape(_ROOT + "causal_layer/filter", 3)
    if hyper.flag("scalar_input", False):
        raise ValueError("Expected a network on mu-law codes. Received: scalar_input=True")
    layers = tensors.count(_LAYER + "filter")
    speakers, speaker_channels = None, None
    if _EMBEDDING in tensors:
        speakers, speaker_channels = tensors.shape(_EMBEDDING, 2)
    dilated = tensors.shape(_LAYER.format(0) + "filter", 3)[2]
    return WaveNet(
        num_layers=layers,
        dilation_cycle=_cycle(hyper, layers),
        residual_channels=hyper.agreed("residual_channels", residual),
        gate_channels=2 * hyper.agreed("dilation_channels", dilated),
        skip_channels=hyper.agreed("skip_channels", tensors.shape(_LAYER.format(0) + "skip", 3)[2]),
        kernel_size=hyper.agreed("filter_width", width),
        distribution={
            "class_name": "Categorical",
            "config": {"classes": hyper.agreed("quantization_channels", classes)},
        },
        input_kernel_size=width,
        input_bias=False,
        residual_scale=1.0,
        last_residual=True,
        skip_mode="sum",
        num_speakers=speakers,
        speaker_channels=speaker_channels,
        weight_norm=False,
        recipe=hyper.recipe(
            recipes.get("speech_16k"),
            {
                "sample_rate": hyper.integer("sample_rate", 16000),
                "pre_emphasis": 0.0,
                "signal_gain": 1.0,
            },
            {"sample_rate": "sample_rate"},
        ),
    )


def _cycle(hyper: Hyperparameters, layers: int) -> int:
    """Returns the number of layers after which the dilations 1, 2, 4... begin again."""
    dilations = hyper.numbers("dilations", [2 ** (i % _DEFAULT_CYCLE) for i in range(layers)])
    cycle = dilations.index(1, 1) if 1 in dilations[1:] else len(dilations)
    if (
        len(dilations) != layers
        or layers > _MOST_LAYERS
        or dilations != [2 ** (i % cycle) for i in range(layers)]
    ):
        raise ValueError(
            f"Expected 'dilations' for {layers} layers: 1, 2, 4 and so on, and again from 1. "
            f"Received: dilations={dilations[:_MOST_LAYERS]}"
        )
    return cycle


def _assign(model: WaveNet, tensors: Tensors, has_biases: bool) -> None:
    tensors.assign(model.input_conv.kernel, _ROOT + "causal_layer/filter")
    for index, block in enumerate(model.blocks):
        prefix = _LAYER.format(index)
        _assign_both(block.conv.kernel, tensors, prefix + "filter", prefix + "gate")
        tensors.assign(block.residual_projection.kernel, prefix + "dense")
        tensors.assign(block.skip_projection.kernel, prefix + "skip")
        if block.global_projection is not None:
            kernel = block.global_projection.kernel
            _assign_both(kernel, tensors, prefix + "gc_filter", prefix + "gc_gate")
        if has_biases:
            _assign_both(block.conv.bias, tensors, prefix + "Variable", prefix + "Variable_1")
            tensors.assign(block.residual_projection.bias, prefix + "Variable_2")
            tensors.assign(block.skip_projection.bias, prefix + "Variable_3")
    for layer, number in zip(model.head, (1, 2)):
        tensors.assign(layer.kernel, f"{_POST}postprocess{number}")
        if has_biases:
            tensors.assign(layer.bias, _POST + ("Variable" if number == 1 else "Variable_1"))
    if model.speaker_embedding is not None:
        tensors.assign(model.speaker_embedding.embeddings, _EMBEDDING)


def _assign_both(variable: tf.Variable, tensors: Tensors, squashed: str, gate: str) -> None:
    """Gives two layers side by side to a variable, the layer of tanh first."""
    shape = [*variable.shape[:-1], variable.shape[-1] // 2]
    parts = [tensors.take(name, shape) for name in (squashed, gate)]
    variable.assign(tf.concat(parts, axis=-1))
