"""Other projects' networks, written out in NumPy from their equations, as oracles.

All take and give [batch, channels, time], as PyTorch does.
"""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swish(x):
    return x * sigmoid(x)


def conv(x, weight, bias=None, *, dilation=1, left=0, right=0):
    """PyTorch's Conv1d with weight [out, in, taps], and zeros around."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (left, right)])
    length = x.shape[2] - (weight.shape[2] - 1) * dilation
    y = sum(
        np.einsum("oi,bit->bot", weight[:, :, tap], x[:, :, tap * dilation :][:, :, :length])
        for tap in range(weight.shape[2])
    )
    return y if bias is None else y + bias[:, np.newaxis]


def transposed_image(image, weight, bias, stride):
    """ConvTranspose2d of one channel over [batch, bins, time], stride and zeros in time only.

    Every input adds the filter, times itself, around its place; a quarter of the filter's time
    extent is cut off at both ends, and one bin.
    """
    batch, bins, time = image.shape
    height, width = weight.shape
    out = np.zeros([batch, bins + height - 1, (time - 1) * stride + width])
    for i in range(bins):
        for t in range(time):
            part = out[:, i : i + height, t * stride : t * stride + width]
            part += image[:, i, t][:, np.newaxis, np.newaxis] * weight
    cut = (width - stride) // 2
    return out[:, height // 2 : height // 2 + bins, cut : cut + time * stride] + bias


def leaky(x, slope=0.4):
    return np.where(x > 0, x, slope * x)


def step_embedding(angles, layers):
    e = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    for weight, bias in layers:
        e = swish(e @ weight.T + bias)
    return e


def philsyn(state, audio, steps, mel=None, cycle=10):
    """audio [batch, time], steps int [batch], mel [batch, bins, frames]."""

    def weight(name):
        if f"{name}.weight" in state:
            return state[f"{name}.weight"].astype(np.float64)
        v = state[f"{name}.weight_v"].astype(np.float64)
        norm = np.sqrt((v**2).sum(axis=tuple(range(1, v.ndim)), keepdims=True))
        return state[f"{name}.weight_g"] * v / norm

    def layer(name, x, **arguments):
        return conv(x, weight(name), state[f"{name}.bias"], **arguments)

    x = np.maximum(layer("init_conv.0.conv", audio[:, np.newaxis]), 0)
    angles = np.outer(steps, np.exp(-np.log(10000) / 63 * np.arange(64)))
    dense = [
        (weight(f"residual_layer.fc_t{i}"), state[f"residual_layer.fc_t{i}.bias"]) for i in (1, 2)
    ]
    e = step_embedding(angles, dense)
    count = sum(name.endswith(".fc_t.bias") for name in state)
    skips = 0
    for index in range(count):
        block = f"residual_layer.residual_blocks.{index}."
        shift = e @ weight(block + "fc_t").T + state[block + "fc_t.bias"]
        x = x + shift[:, :, np.newaxis]
        dilation = 2 ** (index % cycle)
        z = layer(
            block + "dilated_conv_layer.conv", x, dilation=dilation, left=dilation, right=dilation
        )
        if mel is not None:
            image = mel
            for stage in (0, 1):
                name = f"{block}upsample_conv2d.{stage}"
                filters = weight(name)[0, 0]
                stride = filters.shape[1] // 2
                image = leaky(transposed_image(image, filters, state[f"{name}.bias"], stride))
            z = z + layer(block + "mel_conv.conv", image[:, :, : audio.shape[1]])
        half = z.shape[1] // 2
        y = np.tanh(z[:, :half]) * sigmoid(z[:, half:])
        x = (x + layer(block + "res_conv", y)) * np.sqrt(0.5)
        skips = skips + layer(block + "skip_conv", y)
    y = np.maximum(layer("final_conv.0.conv", skips * np.sqrt(1 / count)), 0)
    return layer("final_conv.2.conv", y)[:, 0]


def ibab(variables, codes, dilations, speaker=None):
    """Logits [batch, classes, time] of the samples that follow `codes`; zeros come before."""

    def get(name):
        return variables[f"wavenet/{name}"].astype(np.float64)

    def kernel(name):
        return np.transpose(get(name), [2, 1, 0])

    def bias(name):
        return variables.get(f"wavenet/{name}")

    classes = get("causal_layer/filter").shape[1]
    x = np.transpose(np.eye(classes)[codes], [0, 2, 1])
    x = conv(x, kernel("causal_layer/filter"), left=kernel("causal_layer/filter").shape[2] - 1)
    total = 0
    for index, dilation in enumerate(dilations):
        layer = f"dilated_stack/layer{index}/"
        left = dilation * (kernel(layer + "filter").shape[2] - 1)
        parts = []
        for part, name in enumerate(("filter", "gate")):
            y = conv(
                x,
                kernel(layer + name),
                bias(layer + ("Variable" if part == 0 else "Variable_1")),
                dilation=dilation,
                left=left,
            )
            if speaker is not None:
                vector = get("embeddings/gc_embedding")[speaker][:, :, np.newaxis]
                y = y + conv(vector, kernel(f"{layer}gc_{name}"))
            parts.append(y)
        out = np.tanh(parts[0]) * sigmoid(parts[1])
        total = total + conv(out, kernel(layer + "skip"), bias(layer + "Variable_3"))
        x = x + conv(out, kernel(layer + "dense"), bias(layer + "Variable_2"))
    y = conv(
        np.maximum(total, 0), kernel("postprocessing/postprocess1"), bias("postprocessing/Variable")
    )
    return conv(
        np.maximum(y, 0), kernel("postprocessing/postprocess2"), bias("postprocessing/Variable_1")
    )


def revsic(variables, audio, steps, mel, cycle):
    """audio [batch, time], steps from 1 on, int [batch], mel [batch, bins, frames]."""

    def layer(name, x, **arguments):
        kernel, bias = variables[f"{name}/kernel"], variables[f"{name}/bias"]
        return conv(
            x, np.transpose(kernel, [2, 1, 0]).astype(np.float64), bias.ravel(), **arguments
        )

    x = np.maximum(layer("proj", audio[:, np.newaxis]), 0)
    # Angles reach 10 000 times the steps: they mean something only as float32 rounds them there.
    exponents = np.arange(64, dtype=np.float32) * np.float32(1 / 63) * np.float32(4)
    frequencies = np.float32(10.0 ** np.float64(exponents))
    angles = np.float64(np.outer(np.float32(steps), frequencies))
    names = [f"proj_embed/{i}" for i in range(2)]
    dense = [(variables[f"{n}/kernel"].T, variables[f"{n}/bias"]) for n in names]
    e = step_embedding(angles, dense)
    image = mel
    for stage in range(sum(n.startswith("upsample/") for n in variables) // 2):
        filters = np.transpose(variables[f"upsample/{stage}/kernel"][:, :, 0, 0])
        bias = variables[f"upsample/{stage}/bias"]
        image = leaky(transposed_image(image, filters, bias, filters.shape[1] // 2))
    count = sum(name.endswith("/conv/bias") for name in variables)
    skips = 0
    for index in range(count):
        block = f"blocks/{index}/"
        shift = e @ variables[block + "proj_embed/kernel"] + variables[block + "proj_embed/bias"]
        dilation = 2 ** (index % cycle)
        reach = dilation * (variables[block + "conv/kernel"].shape[0] // 2)
        shifted = x + shift[:, :, np.newaxis]
        z = layer(block + "conv", shifted, dilation=dilation, left=reach, right=reach)
        z = z + layer(block + "proj_mel", image)
        half = z.shape[1] // 2
        y = np.tanh(z[:, :half]) * sigmoid(z[:, half:])
        skips = skips + layer(block + "proj_skip", y)
        if index < count - 1:
            x = (x + layer(block + "proj_res", y)) / np.sqrt(2)
    y = np.maximum(layer("proj_out/0", skips / np.sqrt(count)), 0)
    return layer("proj_out/1", y)[:, 0]
