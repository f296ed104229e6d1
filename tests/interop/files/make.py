"""Writes the files of this folder with PyTorch, which the tests do without.

python tests/interop/files/make.py      (PyTorch 2.13)
"""

import collections
import pathlib
import sys
import types

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent


def counting(*shape):
    """Weights that differ everywhere, small enough for networks to make sense."""
    size = int(np.prod(shape))
    values = np.cos(np.arange(size) * 0.7 + len(shape)) * 0.5
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


def save(content, name):
    """In the format of today, and in that of PyTorch before 1.6."""
    torch.save(content, HERE / f"{name}.zip.pt")
    torch.save(content, HERE / f"{name}.stream.pt", _use_new_zipfile_serialization=False)


def kinds():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    numbers = torch.tensor([0.0, 1.5, -2.0])
    save(
        {
            "whole": base,
            "transposed": base.t(),
            "row": base[2],
            "every_other": base[::2, 1::3],
            "empty": torch.zeros(0, 3),
            "scalar": torch.tensor(7.5),
            "parameter": torch.nn.Parameter(numbers),
            "dtypes": {
                str(dtype): numbers.to(dtype)
                for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)
            },
            "plain": [1, 2.5, "text", None, True, (3, 4), {"a": 1}],
            "size": base.size(),
            "numpy": np.float64(0.25),
            "ordered": collections.OrderedDict(b=1, a=2),
        },
        "kinds",
    )


def nv_wavenet():
    module = types.ModuleType("wavenet")
    sys.modules["wavenet"] = module

    class Conv(torch.nn.Module):
        def __init__(self, inputs, outputs, kernel_size=1, bias=True):
            super().__init__()
            self.conv = torch.nn.Conv1d(inputs, outputs, kernel_size, bias=bias)

    class WaveNet(torch.nn.Module):
        def __init__(self, layers=3, residual=4, skip=6, classes=8, mels=3):
            super().__init__()
            self.upsample = torch.nn.ConvTranspose1d(mels, mels, 8, 2)
            self.n_layers, self.max_dilation = layers, 2
            self.dropout = torch.nn.Dropout(0.0)
            self.cond_layers = Conv(mels, 2 * residual * layers)
            make = torch.nn.ModuleList
            self.dilate_layers = make(Conv(residual, 2 * residual, 2) for _ in range(layers))
            self.res_layers = make(Conv(residual, residual) for _ in range(layers - 1))
            self.skip_layers = make(Conv(residual, skip) for _ in range(layers))
            self.embed = torch.nn.Embedding(classes, residual)
            self.conv_out = Conv(skip, classes, bias=False)
            self.conv_end = Conv(classes, classes, bias=False)

    for cls in (Conv, WaveNet):
        cls.__module__, cls.__qualname__ = "wavenet", cls.__name__
        setattr(module, cls.__name__, cls)
    network = WaveNet()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(counting(*parameter.shape))
    optimizer = torch.optim.Adam(network.parameters())
    content = {"model": network, "iteration": 5, "optimizer": optimizer.state_dict()}
    save({**content, "learning_rate": 1e-3}, "nv_wavenet_run")


def philsyn(conditional, channels=4, layers=3, mels=5, step_channels=6):
    state = {}

    def plain(name, *shape):
        state[f"{name}.weight"] = counting(*shape)
        state[f"{name}.bias"] = counting(shape[0])

    def normed(name, *shape, outputs=None):
        state[f"{name}.bias"] = counting(outputs or shape[0])
        state[f"{name}.weight_g"] = counting(shape[0], *[1] * (len(shape) - 1)) + 1
        state[f"{name}.weight_v"] = counting(*shape)

    normed("init_conv.0.conv", channels, 1, 1)
    plain("residual_layer.fc_t1", step_channels, 128)
    plain("residual_layer.fc_t2", step_channels, step_channels)
    for index in range(layers):
        block = f"residual_layer.residual_blocks.{index}."
        plain(block + "fc_t", channels, step_channels)
        normed(block + "dilated_conv_layer.conv", 2 * channels, channels, 3)
        if conditional:
            for stage in range(2):
                normed(f"{block}upsample_conv2d.{stage}", 1, 1, 3, 8)
            normed(block + "mel_conv.conv", 2 * channels, mels, 1)
        normed(block + "res_conv", channels, channels, 1)
        normed(block + "skip_conv", channels, channels, 1)
    normed("final_conv.0.conv", channels, channels, 1)
    plain("final_conv.2.conv", 1, channels, 1)
    content = {"model_state_dict": state, "optimizer_state_dict": {}}
    torch.save(content, HERE / f"philsyn_{'vocoder' if conditional else 'unconditional'}.pkl")


def no_source(*_):
    raise OSError("the older format would hold PyTorch's own source")


if __name__ == "__main__":
    torch.serialization.get_source_lines_and_file = no_source
    kinds()
    nv_wavenet()
    philsyn(True)
    philsyn(False)
