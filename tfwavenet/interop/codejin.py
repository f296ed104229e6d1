"""Checkpoints of CODEJIN/WaveNet, which TensorFlow 2 wrote.

Source: https://github.com/CODEJIN/WaveNet, at 332c7a8.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.interop.checkpoint import Source, below, without_prefix
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors
from tfwavenet.layers import StretchUpsampler, WeightNormalization
from tfwavenet.models import WaveNet

_FIRST = "layer_Dict/First/layer_with_weights-0"
_SMOOTHING = "Local_Condition_Upsample/layer/layer_with_weights-{}"
_EMBEDDINGS = "Global_Condition_Embedding/layer_with_weights-0/embeddings"
_RECIPE_KEYS = {
    "sample_rate": "Sample_Rate",
    "fmax_hz": "Sample_Rate",
    "n_fft": "Spectrogram_Dim",
    "win_samples": "Frame_Length",
    "hop_samples": "Frame_Shift",
    "n_mels": "Mel_Dim",
    "output_range": "Max_Abs_Mel",
}
_UNUSED = (r".*\.OPTIMIZER_SLOT.*", r"optimizer/.*")


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return without_prefix(names, f"{_FIRST}/kernel") is not None


def convert(source: Source) -> tuple[WaveNet, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    root = f"{without_prefix(source.arrays, f'{_FIRST}/kernel')}layer_Dict/"
    tensors = source.tensors(below(source.arrays, root))
    hyper = source.hyperparameters("Hyper_Parameters.json")
    stacks = tensors.count("ResConvGLU_0_{}/layer_Dict/Conv1D/kernel")
    model = _model(tensors, hyper, stacks)
    model.build()
    _assign(model, tensors, stacks)
    tensors.finish(_UNUSED)
    return model, source.step("optimizer/iter", "optimizer/_iterations")


def _model(tensors: Tensors, hyper: Hyperparameters, stacks: int) -> WaveNet:
    sizes, sound = hyper.section("WaveNet"), hyper.section("Sound")
    glu = sizes.section("ResConvGLU")
    blocks = tensors.count("ResConvGLU_{}_0/layer_Dict/Conv1D/kernel")
    first = "ResConvGLU_0_0/layer_Dict/"
    kernel_size, residual, gate = tensors.shape(first + "Conv1D/kernel", 3)
    mels = tensors.shape(first + "Local_Condition_Conv1D/layer/kernel", 3)[1]
    outputs = tensors.shape("Last/layer_with_weights-1/bias", 1)[0]
    speakers, speaker_channels = tensors.shape(_EMBEDDINGS, 2)
    upsampler = _upsampler(tensors, sizes)
    return WaveNet(
        num_layers=glu.agreed("Blocks", blocks) * glu.agreed("Stacks_in_Block", stacks),
        dilation_cycle=stacks,
        residual_channels=sizes.agreed("Initial_Filters", residual),
        gate_channels=gate,
        skip_channels=glu.agreed(
            "Skip_Out_Filters", tensors.shape(first + "Skip/layer/bias", 1)[0]
        ),
        head_channels=tensors.shape("Last/layer_with_weights-0/bias", 1)[0],
        kernel_size=glu.agreed("Kernel_Size", kernel_size),
        dropout=glu.number("Dropout_Rate", 0.05),
        distribution={
            "class_name": "MixtureOfLogistics",
            "config": {
                "components": sizes.agreed("MoL_Sizes", outputs) // 3,
                "log_scale_min": math.log(1e-14),
            },
        },
        last_residual=True,
        upsampler=upsampler,
        local_channels=sound.agreed("Mel_Dim", mels),
        num_speakers=sizes.agreed("Speaker_Count", speakers),
        speaker_channels=speaker_channels,
        head_weight_norm=False,
        recipe=_recipe(sound, mels, upsampler),
    )


def _upsampler(tensors: Tensors, sizes: Hyperparameters) -> StretchUpsampler:
    count = tensors.count(_SMOOTHING + "/layer/kernel")
    extents = [tensors.shape(_SMOOTHING.format(i) + "/layer/kernel")[0] for i in range(count)]
    scales = sizes.section("Upsample").agreed("Scales", [(extent - 1) // 2 for extent in extents])
    return StretchUpsampler(
        scales, padding_frames=sizes.section("Upsample").integer("Pad", 2, least=0, most=1000)
    )


def _recipe(sound: Hyperparameters, mels: int, upsampler: StretchUpsampler) -> FeatureRecipe | None:
    rate, highest = sound.integer("Sample_Rate", 16000), float(sound.number("Max_Abs_Mel", 4))
    changes = {
        "sample_rate": rate,
        "fmax_hz": rate / 2,
        "n_fft": 2 * (sound.integer("Spectrogram_Dim", 513, least=2) - 1),
        "win_samples": sound.integer("Frame_Length", 1024),
        "hop_samples": sound.agreed("Frame_Shift", upsampler.hop_samples),
        "n_mels": mels,
        "output_range": (-highest, highest),
    }
    return sound.recipe(recipes.get("codejin"), changes, _RECIPE_KEYS)


def _assign(model: WaveNet, tensors: Tensors, stacks: int) -> None:
    first = "First/layer_with_weights-0"
    _assign_layer(model.input_conv, tensors, first, first)
    for index, block in enumerate(model.blocks):
        prefix = f"ResConvGLU_{index // stacks}_{index % stacks}/layer_Dict/"
        _assign_layer(block.conv, tensors, prefix + "Conv1D", prefix + "Conv1D")
        for layer, name in (
            (block.local_projection, "Local_Condition_Conv1D"),
            (block.global_projection, "Global_Condition_Conv1D"),
            (block.residual_projection, "Out"),
            (block.skip_projection, "Skip"),
        ):
            _assign_layer(layer, tensors, f"{prefix}{name}/layer", prefix + name)
    for index, layer in enumerate(model.head):
        _assign_layer(layer, tensors, f"Last/layer_with_weights-{index}")
    for index, layer in enumerate(model.upsampler.smoothing):
        _assign_layer(layer, tensors, _SMOOTHING.format(index) + "/layer", _SMOOTHING.format(index))
    tensors.assign(cast(Any, model.speaker_embedding).embeddings, _EMBEDDINGS)


def _assign_layer(layer: Any, tensors: Tensors, name: str, gain: str = "") -> None:
    inner = layer.layer if isinstance(layer, WeightNormalization) else layer
    tensors.assign(inner.kernel, f"{name}/kernel")
    if inner.use_bias:
        tensors.assign(inner.bias, f"{name}/bias")
    if inner is not layer:
        tensors.assign(layer.g, f"{gain}/weight_norm_g")
