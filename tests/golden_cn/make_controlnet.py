#!/usr/bin/env python3
"""Make deterministic tiny ControlNets and a T2I-Adapter that fit sd15-tiny.safetensors, and test pictures.

    python make_controlnet.py [OUTDIR]      (default: the folder of this script)

Writes control-tiny-{canny,shuffle,inpaint}.safetensors (original single-file layout, keys
control_model.*; hint block 3-16-16-32-32-96-96-256-model_channels as in the original),
t2iadapter-tiny-sketch.safetensors (conv_in, body.N.*; 32/64/64/64 channels) and
cn-inputs/*.png.  All weights are fp16, drawn as in make_checkpoints.py (integer draws seeded from
the SHA-256 of the tensor's name, float64 arithmetic without log/cos): the same bytes everywhere.

The zero convolutions are not zero, so the nets have an effect: residuals of about 0.2-0.5 of the
UNet's own skip values; the rows of zero_convs.0 that meet the UNet's "carry" channels (first 8,
see make_checkpoints.py) are ten times smaller, else the random net would swamp the picture.
Needs torch, safetensors, numpy, Pillow.
"""
import hashlib
import math
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

MC, MULT, NRES, ATTN_LEVELS, CTX = 32, (1, 2, 2, 2), 2, (0, 1, 2), 64
HINT = ((3, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 96, 2), (96, 96, 1), (96, 256, 2), (256, MC, 1))


def draws(tag, shape):
    """About N(0,1): the sum of four 15-bit uniforms out of one 63-bit integer draw."""
    seed = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7], "big")
    r = torch.empty(math.prod(shape), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(seed))
    s = sum(((r >> k) & 0x7FFF) for k in (0, 15, 30, 45))
    return ((s.double() - 65534.0) / math.sqrt((32768.0 ** 2 - 1.0) / 3.0)).reshape(shape)


class Net(dict):
    def __init__(self, seed, prefix=""):
        super().__init__()
        self.seed, self.prefix = seed, prefix

    def store(self, name, v):
        self[self.prefix + name] = v.to(torch.float16).contiguous()

    def w(self, name, shape, gain=1.0):
        self.store(name, draws(f"{self.seed}/{name}", shape) * (gain / math.sqrt(float(math.prod(shape[1:])))))

    def b(self, name, n, gain=0.05):
        self.store(name, draws(f"{self.seed}/{name}", (n,)) * gain)

    def conv(self, p, i, o, k, gain=1.0):
        self.w(p + ".weight", (o, i, k, k), gain)
        self.b(p + ".bias", o)

    def lin(self, p, i, o, gain=1.0, bias=True):
        self.w(p + ".weight", (o, i), gain)
        if bias:
            self.b(p + ".bias", o)

    def norm(self, p, n):
        self.store(p + ".weight", draws(f"{self.seed}/{p}.weight", (n,)) * 0.1 + 1.0)
        self.b(p + ".bias", n)


def res(n, p, i, o):
    n.norm(p + ".in_layers.0", i)
    n.conv(p + ".in_layers.2", i, o, 3)
    n.lin(p + ".emb_layers.1", 4 * MC, o)
    n.norm(p + ".out_layers.0", o)
    n.conv(p + ".out_layers.3", o, o, 3)
    if i != o:
        n.conv(p + ".skip_connection", i, o, 1)


def attn(n, p, c):
    n.norm(p + ".norm", c)
    n.conv(p + ".proj_in", c, c, 1)
    t = p + ".transformer_blocks.0"
    for a, kv in (("attn1", c), ("attn2", CTX)):
        n.lin(f"{t}.{a}.to_q", c, c, bias=False)
        n.lin(f"{t}.{a}.to_k", kv, c, bias=False)
        n.lin(f"{t}.{a}.to_v", kv, c, 1.5, bias=False)
        n.lin(f"{t}.{a}.to_out.0", c, c, 1.5)
    n.lin(t + ".ff.net.0.proj", c, 8 * c)
    n.lin(t + ".ff.net.2", 4 * c, c)
    for k in ("norm1", "norm2", "norm3"):
        n.norm(f"{t}.{k}", c)
    n.conv(p + ".proj_out", c, c, 1)


def controlnet(name, zero_gain=0.35, hint_gain=1.0):
    n = Net("control-tiny-v1/" + name, "control_model.")
    n.lin("time_embed.0", MC, 4 * MC)
    n.lin("time_embed.2", 4 * MC, 4 * MC)
    for k, (i, o, _) in enumerate(HINT):
        # SiLU takes about 2/3 of the size away: keep the hint's features of order 1
        n.conv(f"input_hint_block.{2 * k}", i, o, 3, 1.0 if k == 0 else (hint_gain * 2.0 if k == len(HINT) - 1 else 1.8))
    n.conv("input_blocks.0.0", 4, MC, 3)
    n.conv("zero_convs.0.0", MC, MC, 1, zero_gain)
    k, ch = 1, MC
    for lv, m in enumerate(MULT):
        for _ in range(NRES):
            res(n, f"input_blocks.{k}.0", ch, m * MC)
            ch = m * MC
            if lv in ATTN_LEVELS:
                attn(n, f"input_blocks.{k}.1", ch)
            n.conv(f"zero_convs.{k}.0", ch, ch, 1, zero_gain)
            k += 1
        if lv != len(MULT) - 1:
            n.conv(f"input_blocks.{k}.0.op", ch, ch, 3)
            n.conv(f"zero_convs.{k}.0", ch, ch, 1, zero_gain)
            k += 1
    res(n, "middle_block.0", ch, ch)
    attn(n, "middle_block.1", ch)
    res(n, "middle_block.2", ch, ch)
    n.conv("middle_block_out.0", ch, ch, 1, zero_gain)
    for t in ("weight", "bias"):
        z = n["control_model.zero_convs.0.0." + t]
        z[:8] = (z[:8].double() * 0.1).to(torch.float16)
    return dict(n)


def t2i_adapter(name):
    n = Net("t2iadapter-tiny-v1/" + name)
    n.conv("conv_in", 3 * 64, MC, 3, 2.0)
    ch, k = MC, 0
    for _lv, m in enumerate(MULT):
        for _r in range(2):
            if ch != m * MC:
                n.conv(f"body.{k}.in_conv", ch, m * MC, 1)
                ch = m * MC
            n.conv(f"body.{k}.block1", ch, ch, 3, 1.2)
            n.conv(f"body.{k}.block2", ch, ch, 1, 1.2)
            k += 1
    return dict(n)


# ---------------------------------------------------------------- pictures (integer arithmetic only)
def picture(w, h, kind=0):
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    a = np.zeros((h, w, 3), np.int64)
    a[..., 0] = 40 + (x * 120) // w
    a[..., 1] = 60 + (y * 100) // h
    a[..., 2] = 150 - (x * 60) // w - (y * 40) // h
    if kind == 0:  # scene: sun, house, roof, door
        a[(x - (3 * w) // 4) ** 2 + (y - h // 5) ** 2 < (min(w, h) // 7) ** 2] = (250, 220, 60)
        a[(y > (2 * h) // 3)] = (30, 110, 40)
        a[(x > w // 6) & (x < w // 2) & (y > h // 2) & (y < (5 * h) // 6)] = (190, 60, 50)
        a[(y <= h // 2) & (y > h // 4) & (abs(x - w // 3) * h < (y - h // 4) * w)] = (90, 40, 30)
        a[(x > (7 * w) // 24) & (x < (9 * w) // 24) & (y > (2 * h) // 3) & (y < (5 * h) // 6)] = (240, 230, 200)
    elif kind == 1:  # black lines on white
        a[:] = 255
        t = max(1, min(w, h) // 48)
        r2 = (x - w // 2) ** 2 + (y - h // 2) ** 2
        r = min(w, h) // 3
        a[(r2 < (r + t) ** 2) & (r2 >= (r - t) ** 2)] = 0
        a[(abs(x - w // 4) < t)] = 0
        a[(abs(x * h - y * w) < 2 * t * max(w, h) // 2)] = 0
    elif kind == 2:  # checks and stripes
        a[((x // 8 + y // 8) % 2 == 0)] //= 2
        a[(y > h // 2) & (x % 6 < 2)] = (220, 220, 240)
    # seeded grain so that area/cubic resizing is visible
    g = np.random.RandomState(w * 1000 + h + kind).randint(-6, 7, (h, w, 1))
    if kind != 1:
        a = a + g
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))


def mask(w, h):
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    m = ((x - w // 2) ** 2 * 4 + (y - h // 2) ** 2 * 2 < (min(w, h) // 2) ** 2 * 2) | ((x < w // 5) & (y > (4 * h) // 5))
    return Image.fromarray((m * 255).astype(np.uint8))


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    d = os.path.join(out, "cn-inputs")
    os.makedirs(d, exist_ok=True)
    nets = {f"control-tiny-{k}": controlnet(k) for k in ("canny", "shuffle", "inpaint")}
    nets["t2iadapter-tiny-sketch"] = t2i_adapter("sketch")
    for name, t in nets.items():
        p = os.path.join(out, name + ".safetensors")
        save_file(t, p + ".tmp")
        os.replace(p + ".tmp", p)
        print(hashlib.sha256(Path(p).read_bytes()).hexdigest(), name + ".safetensors", os.path.getsize(p), "bytes", len(t), "tensors", sum(v.numel() for v in t.values()), "values")
    for w, h in ((128, 192), (160, 96), (64, 96), (96, 64), (200, 120)):
        picture(w, h).save(f"{d}/scene-{w}x{h}.png")
    picture(128, 192, 1).save(f"{d}/lines-128x192.png")
    picture(64, 96, 1).save(f"{d}/lines-64x96.png")
    picture(128, 192, 2).save(f"{d}/pattern-128x192.png")
    for w, h in ((64, 96), (128, 192)):
        mask(w, h).save(f"{d}/mask-{w}x{h}.png")
        mask(w, h).convert("RGB").save(f"{d}/mask-rgb-{w}x{h}.png")
    half = np.zeros((96, 64), np.uint8)
    half[:, :32] = 255
    Image.fromarray(half).save(f"{d}/region-left-64x96.png")
    grad = np.tile((np.arange(64) * 4).astype(np.uint8), (96, 1))
    Image.fromarray(grad).save(f"{d}/region-gradient-64x96.png")


if __name__ == "__main__":
    main()
