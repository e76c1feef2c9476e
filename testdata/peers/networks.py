"""Writes small networks of the kinds that people export, as PyTorch, Keras 3 and
scikit-learn write them, with what onnxruntime answers and the noise that its static
quantization (QDQ, per channel, min-max) adds.

    python networks.py DIR EXPORTER [NAME,NAME,...]

EXPORTER is dynamo or legacy, the two of torch.onnx; keras, which is Keras 3 with the
backend that KERAS_BACKEND names; or sklearn, which is skl2onnx. Each network is a folder
NAME of DIR: model.onnx, test_data_set_0 as ONNX's own backend tests have it, calib.npz and
test.npz with the arrays of the inputs, qdq.json with the ratio of signal to quantization
noise of each result in decibels on test.npz. The weights are random, the statistics of
batch normalizations are those of calib.npz; the same versions give the same networks.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from qdq import images

CALIBRATION, SAMPLES = 128, 32
SEED = 1


def signals(rng, count, shape):
    """Channels of two waves each with noise, time along the last axis, in [-1,1]."""
    t = np.arange(shape[-1]) / shape[-1]
    a, f, p = (rng.uniform(lo, hi, (2, count, *shape[:-1], 1)) for lo, hi in ((.1, .45), (3, 40), (0, 6)))
    return np.clip((a * np.sin(f * t + p)).sum(0) + rng.normal(0, .03, (count, *shape)), -1, 1).astype(np.float32)


def steps(rng, count, shape):
    """Signals with time along the first axis."""
    return np.ascontiguousarray(signals(rng, count, shape[::-1]).swapaxes(1, 2))


def tokens(rng, count, shape):
    return rng.integers(0, WORDS, (count, *shape))


def features(rng, count, shape):
    """Correlated columns of different sizes."""
    n = shape[0]
    mix = np.random.default_rng(SEED).normal(0, 1, (n, n))
    return (rng.normal(0, 1, (count, n)) @ mix * np.linspace(.5, 8, n) + np.linspace(-9, 9, n)).astype(np.float32)


WORDS = 50
IMAGE = [(images, (3, 32, 32))]


def torch_networks():
    import torch
    from torch import nn
    from torch.nn import functional as F

    def conv(i, o, k=3, s=1, g=1, d=1, act=nn.ReLU):
        return nn.Sequential(nn.Conv2d(i, o, k, s, d * (k // 2), d, g, bias=False), nn.BatchNorm2d(o), *([act()] if act else []))

    def head(width, classes=10):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))

    class Fun(nn.Module):
        """Modules by name, and a function of them and the inputs."""

        def __init__(self, forward, **modules):
            super().__init__()
            self.compute = forward
            for name, m in modules.items():
                setattr(self, name, m)

        def forward(self, *x):
            return self.compute(self, *x)

    def residual(*inner):
        return Fun(lambda m, x: x + m.inner(x), inner=nn.Sequential(*inner))

    def squeeze_excite(c, gate, act=nn.ReLU):
        f = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c // 4, 1), act(), nn.Conv2d(c // 4, c, 1), gate())
        return Fun(lambda m, x: x * m.f(x), f=f)

    def mobilenet_v1():
        parts, c = [conv(3, 8, s=2)], 8
        for o, s in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
            parts += [conv(c, c, s=s, g=c), conv(c, o, 1)]
            c = o
        return nn.Sequential(*parts, head(c))

    def inverted(i, o, k, s, expand, act, se=None):
        h = i * expand
        inner = [conv(i, h, 1, act=act)] if expand > 1 else []
        inner += [conv(h, h, k, s, h, act=act)] + ([se(h)] if se else []) + [conv(h, o, 1, act=None)]
        return residual(*inner) if i == o and s == 1 else nn.Sequential(*inner)

    def mobilenet_v2():
        rows = ((8, 8, 1, 1), (8, 16, 2, 6), (16, 16, 1, 6), (16, 24, 2, 6), (24, 24, 1, 6))
        return nn.Sequential(conv(3, 8, s=2, act=nn.ReLU6), *[inverted(i, o, 3, s, e, nn.ReLU6) for i, o, s, e in rows],
                             conv(24, 64, 1, act=nn.ReLU6), nn.Dropout(.2), head(64))

    def mobilenet_v3():
        se = lambda c: squeeze_excite(c, nn.Hardsigmoid)
        rows = ((8, 8, 3, 2, 1, nn.ReLU, se), (8, 16, 3, 2, 4, nn.ReLU, None), (16, 16, 3, 1, 4, nn.ReLU, None),
                (16, 24, 5, 2, 4, nn.Hardswish, se), (24, 24, 5, 1, 4, nn.Hardswish, se))
        return nn.Sequential(conv(3, 8, act=nn.Hardswish), *[inverted(*r) for r in rows], conv(24, 64, 1, act=nn.Hardswish),
                             nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 64), nn.Hardswish(), nn.Dropout(.2), nn.Linear(64, 10))

    def efficientnet_lite():
        rows = ((8, 8, 3, 1, 1), (8, 12, 3, 2, 6), (12, 12, 3, 1, 6), (12, 24, 5, 2, 6), (24, 24, 5, 1, 6))
        return nn.Sequential(conv(3, 8, s=2, act=nn.ReLU6), *[inverted(i, o, k, s, e, nn.ReLU6) for i, o, k, s, e in rows],
                             conv(24, 64, 1, act=nn.ReLU6), head(64))

    def efficientnet():
        se = lambda c: squeeze_excite(c, nn.Sigmoid, nn.SiLU)
        rows = ((8, 8, 3, 1, 1), (8, 12, 3, 2, 6), (12, 12, 3, 1, 6), (12, 24, 5, 2, 6))
        return nn.Sequential(conv(3, 8, s=2, act=nn.SiLU), *[inverted(i, o, k, s, e, nn.SiLU, se) for i, o, k, s, e in rows],
                             conv(24, 64, 1, act=nn.SiLU), head(64))

    def shuffle(x, groups):
        b, c, h, w = x.shape
        return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)

    def shufflenet_v1():
        def unit(c, s):
            o = c if s == 2 else c
            f = nn.Sequential(conv(c, c // 2, 1, g=2))
            g = nn.Sequential(conv(c // 2, c // 2, s=s, g=c // 2, act=None), conv(c // 2, o, 1, g=2, act=None))
            join = (lambda m, x: F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), m.g(shuffle(m.f(x), 2))], 1))) if s == 2 else \
                (lambda m, x: F.relu(x + m.g(shuffle(m.f(x), 2))))
            return Fun(join, f=f, g=g)
        return nn.Sequential(conv(3, 16), unit(16, 2), unit(32, 1), unit(32, 2), unit(64, 1), head(64))

    def shufflenet_v2():
        def unit(c):
            f = nn.Sequential(conv(c // 2, c // 2, 1), conv(c // 2, c // 2, g=c // 2, act=None), conv(c // 2, c // 2, 1))
            def forward(m, x):
                a, b = x.chunk(2, dim=1)
                return shuffle(torch.cat((a, m.f(b)), dim=1), 2)
            return Fun(forward, f=f)
        def down(i, o):
            f = nn.Sequential(conv(i, i, s=2, g=i, act=None), conv(i, o // 2, 1))
            g = nn.Sequential(conv(i, o // 2, 1), conv(o // 2, o // 2, s=2, g=o // 2, act=None), conv(o // 2, o // 2, 1))
            return Fun(lambda m, x: shuffle(torch.cat((m.f(x), m.g(x)), dim=1), 2), f=f, g=g)
        return nn.Sequential(conv(3, 12), down(12, 24), unit(24), unit(24), down(24, 48), unit(48), conv(48, 64, 1), head(64))

    def squeezenet():
        def fire(i, s, e):
            return Fun(lambda m, x: torch.cat([F.relu(m.a(m.s(x))), F.relu(m.b(m.s(x)))], 1), a=nn.Conv2d(s, e, 1), b=nn.Conv2d(s, e, 3, padding=1),
                       s=nn.Sequential(nn.Conv2d(i, s, 1), nn.ReLU()))
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
        return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), pool(), fire(16, 8, 16), fire(32, 8, 16), pool(), fire(32, 12, 24),
                             nn.Dropout(), nn.Conv2d(48, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())

    def basic(i, o, s):
        short = conv(i, o, 1, s, act=None) if i != o or s > 1 else nn.Identity()
        return Fun(lambda m, x: F.relu(m.f(x) + m.short(x)), f=nn.Sequential(conv(i, o, s=s), conv(o, o, act=None)), short=short)

    def resnet(blocks):
        parts, c = [nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 8
        for stage, n in enumerate(blocks):
            for k in range(n):
                o = 8 << min(stage, 2)
                parts.append(basic(c, o, 2 if stage and not k else 1))
                c = o
        return nn.Sequential(*parts, head(c))

    def regnet():
        def block(i, o, s):
            short = conv(i, o, 1, s, act=None) if i != o or s > 1 else nn.Identity()
            f = nn.Sequential(conv(i, o, 1), conv(o, o, s=s, g=o // 8), squeeze_excite(o, nn.Sigmoid), conv(o, o, 1, act=None))
            return Fun(lambda m, x: F.relu(m.f(x) + m.short(x)), f=f, short=short)
        return nn.Sequential(conv(3, 16, s=2), block(16, 16, 2), block(16, 32, 2), block(32, 32, 1), head(32))

    def convnext():
        """ConvNeXt V2: layer normalizations along the channels, and GRN."""
        class Channels(nn.Module):
            def __init__(self, c):
                super().__init__()
                self.w, self.b = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

            def forward(self, x):
                u = x.mean(1, keepdim=True)
                s = (x - u).pow(2).mean(1, keepdim=True)
                return self.w[:, None, None] * ((x - u) / torch.sqrt(s + 1e-6)) + self.b[:, None, None]

        class GRN(nn.Module):
            def __init__(self, c):
                super().__init__()
                self.gamma, self.beta = nn.Parameter(torch.randn(1, 1, 1, c) * .5), nn.Parameter(torch.randn(1, 1, 1, c) * .1)

            def forward(self, x):
                g = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
                n = g / (g.mean(dim=-1, keepdim=True) + 1e-6)
                return self.gamma * (x * n) + self.beta + x

        def block(c):
            f = nn.Sequential(nn.LayerNorm(c, 1e-6), nn.Linear(c, 4 * c), nn.GELU(), GRN(4 * c), nn.Linear(4 * c, c))
            return Fun(lambda m, x: x + m.f(m.d(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2), d=nn.Conv2d(c, c, 7, padding=3, groups=c), f=f)
        down = lambda i, o: nn.Sequential(Channels(i), nn.Conv2d(i, o, 2, 2))
        end = Fun(lambda m, x: m.f(m.n(x.mean([-2, -1]))), n=nn.LayerNorm(32), f=nn.Linear(32, 10))
        return nn.Sequential(nn.Conv2d(3, 16, 4, 4), Channels(16), block(16), down(16, 32), block(32), block(32), end)

    def unet(up):
        two = lambda i, o: nn.Sequential(conv(i, o), conv(o, o))
        def forward(m, x):
            a = m.a(x)
            b = m.b(F.max_pool2d(a, 2))
            c = m.c(F.max_pool2d(b, 2))
            d = m.d(torch.cat([m.u(c), b], 1))
            return m.f(m.e(torch.cat([m.v(d), a], 1)))
        return Fun(forward, a=two(3, 8), b=two(8, 16), c=two(16, 32), u=up(32, 16), d=two(32, 16), v=up(16, 8), e=two(16, 8), f=nn.Conv2d(8, 2, 1))

    def unet_transposed():
        return unet(lambda i, o: nn.ConvTranspose2d(i, o, 2, 2))

    def unet_nearest():
        return unet(lambda i, o: nn.Sequential(nn.Upsample(scale_factor=2), conv(i, o)))

    def unet_bilinear():
        return unet(lambda i, o: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(i, o, 1)))

    def unet_shuffle():
        return unet(lambda i, o: nn.Sequential(nn.Conv2d(i, 4 * o, 1), nn.PixelShuffle(2)))

    def deeplab():
        def aspp(m, x):
            size = x.shape[-2:]
            whole = F.interpolate(m.whole(x), size=size, mode="bilinear", align_corners=False)
            return m.join(torch.cat([b(x) for b in m.branches] + [whole], dim=1))
        branches = nn.ModuleList([conv(32, 16, 1)] + [conv(32, 16, d=d) for d in (2, 4)])
        a = Fun(aspp, branches=branches, whole=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 16, 1), nn.ReLU()), join=nn.Sequential(conv(64, 16, 1), nn.Dropout(.5)))
        def forward(m, x):
            return F.interpolate(m.end(m.aspp(m.body(x))), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return Fun(forward, body=nn.Sequential(conv(3, 16, s=2), conv(16, 32, s=2), conv(32, 32, d=2)), aspp=a, end=nn.Conv2d(16, 4, 1))

    def c2f(i, o):
        step = Fun(lambda m, x: x + m.f(x), f=nn.Sequential(conv(o // 2, o // 2, act=nn.SiLU), conv(o // 2, o // 2, act=nn.SiLU)))
        def forward(m, x):
            y = list(m.a(x).chunk(2, 1))
            y.append(m.step(y[-1]))
            return m.b(torch.cat(y, 1))
        return Fun(forward, a=conv(i, o, 1, act=nn.SiLU), step=step, b=conv(o // 2 * 3, o, 1, act=nn.SiLU))

    def decode(y, stride, classes=3):
        """Boxes in pixels and scores of one head, [B,N,4+classes]."""
        b, c, h, w = y.shape
        gy, gx = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack((gx, gy), -1).view(1, h * w, 2).float()
        y = y.view(b, c, h * w).permute(0, 2, 1)
        xy = (y[..., :2].sigmoid() * 2 - .5 + grid) * stride
        wh = (y[..., 2:4].sigmoid() * 2) ** 2 * (4 * stride)
        return torch.cat((xy, wh, y[..., 4:].sigmoid()), -1)

    def yolo_one():
        return Fun(lambda m, x: decode(m.f(x), 8), f=nn.Sequential(conv(3, 16, s=2, act=nn.SiLU), c2f(16, 16), conv(16, 32, s=2, act=nn.SiLU), c2f(32, 32),
                                                                  conv(32, 32, s=2, act=nn.SiLU), nn.Conv2d(32, 7, 1)))

    def yolo_three():
        def forward(m, x):
            a = m.a(x)
            b = m.b(a)
            c = m.c(b)
            up = lambda x: F.interpolate(x, scale_factor=2., mode="nearest")
            d = m.d(torch.cat([up(c), b], 1))
            e = m.e(torch.cat([up(d), a], 1))
            return torch.cat([decode(m.heads[k](f), 4 << k) for k, f in enumerate((e, d, c))], 1)
        spp = Fun(lambda m, x: m.f(torch.cat([x, F.max_pool2d(x, 5, 1, 2), F.max_pool2d(F.max_pool2d(x, 5, 1, 2), 5, 1, 2)], 1)), f=conv(96, 32, 1, act=nn.SiLU))
        return Fun(forward, a=nn.Sequential(conv(3, 16, s=2, act=nn.SiLU), conv(16, 16, s=2, act=nn.SiLU), c2f(16, 16)), b=nn.Sequential(conv(16, 32, s=2, act=nn.SiLU), c2f(32, 32)),
                   c=nn.Sequential(conv(32, 32, s=2, act=nn.SiLU), spp), d=c2f(64, 32), e=c2f(48, 16), heads=nn.ModuleList([nn.Conv2d(c, 7, 1) for c in (16, 32, 32)]))

    def ssd():
        """Two maps, two boxes a pixel: offsets, and softmax of four classes."""
        def forward(m, x):
            a = m.a(x)
            b = m.b(a)
            boxes = [l(f).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 4) for l, f in zip(m.boxes, (a, b))]
            scores = [l(f).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 4) for l, f in zip(m.scores, (a, b))]
            return torch.cat(boxes, 1), F.softmax(torch.cat(scores, 1), -1)
        return Fun(forward, a=nn.Sequential(conv(3, 16, s=2), conv(16, 32, s=2), conv(32, 32)), b=nn.Sequential(conv(32, 32, s=2)),
                   boxes=nn.ModuleList([nn.Conv2d(32, 8, 3, padding=1) for _ in "ab"]), scores=nn.ModuleList([nn.Conv2d(32, 8, 3, padding=1) for _ in "ab"]))

    def vit():
        """A class token, learned positions, nn.TransformerEncoder with the norm first."""
        class ViT(nn.Module):
            def __init__(self):
                super().__init__()
                self.patches = nn.Conv2d(3, 32, 8, 8)
                self.token, self.at = nn.Parameter(torch.randn(1, 1, 32)), nn.Parameter(torch.randn(1, 17, 32) * .5)
                layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True)
                self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
                self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

            def forward(self, x):
                x = self.patches(x).flatten(2).transpose(1, 2)
                x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.at
                return self.head(self.norm(self.body(x))[:, 0])
        return ViT()

    class Attention(nn.Module):
        """As timm has it: one projection of query, key and value, unbound; norms of query and key."""

        def __init__(self, c, heads, norm=False, fused=False):
            super().__init__()
            self.heads, self.width, self.fused = heads, c // heads, fused
            self.qkv, self.proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
            self.q, self.k = (nn.LayerNorm(self.width), nn.LayerNorm(self.width)) if norm else (nn.Identity(), nn.Identity())

        def forward(self, x):
            b, n, c = x.shape
            q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, self.width).permute(2, 0, 3, 1, 4).unbind(0)
            q, k = self.q(q), self.k(k)
            if self.fused:
                x = F.scaled_dot_product_attention(q, k, v)
            else:
                x = ((q * self.width ** -.5) @ k.transpose(-2, -1)).softmax(dim=-1) @ v
            return self.proj(x.transpose(1, 2).reshape(b, n, c))

    def timm(fused, norm):
        block = lambda: nn.Sequential(residual(nn.LayerNorm(32), Attention(32, 4, norm, fused)), residual(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)))
        end = Fun(lambda m, x: m.f(m.n(x.mean(1))), n=nn.LayerNorm(32), f=nn.Linear(32, 10))
        return nn.Sequential(nn.Conv2d(3, 32, 8, 8), Fun(lambda m, x: x.flatten(2).transpose(1, 2)), block(), block(), end)

    def timm_attention():
        return timm(False, True)

    def timm_fused():
        return timm(True, False)

    def mlp_mixer():
        mlp = lambda i, h: nn.Sequential(nn.Linear(i, h), nn.GELU(), nn.Linear(h, i))
        block = lambda: Fun(lambda m, x: (lambda y: y + m.c(m.q(y)))(x + m.t(m.n(x).transpose(1, 2)).transpose(1, 2)), n=nn.LayerNorm(32), t=mlp(16, 32), q=nn.LayerNorm(32), c=mlp(32, 64))
        end = Fun(lambda m, x: m.f(m.n(x).mean(dim=1)), n=nn.LayerNorm(32), f=nn.Linear(32, 10))
        return nn.Sequential(nn.Conv2d(3, 32, 8, 8), Fun(lambda m, x: x.flatten(2).transpose(1, 2)), block(), block(), end)

    class Decoder(nn.Module):
        """Tokens, positions, causal attention with a mask of -inf, and the words that may follow."""

        def __init__(self):
            super().__init__()
            c = 32
            self.words, self.at = nn.Embedding(WORDS, c), nn.Embedding(16, c)
            self.n, self.qkv, self.proj = nn.LayerNorm(c), nn.Linear(c, 3 * c), nn.Linear(c, c)
            self.m, self.mlp = nn.LayerNorm(c), nn.Sequential(nn.Linear(c, 4 * c), nn.GELU(approximate="tanh"), nn.Linear(4 * c, c))
            self.end, self.head = nn.LayerNorm(c), nn.Linear(c, WORDS, bias=False)
            self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

        def forward(self, x):
            b, t = x.shape
            x = self.words(x) + self.at(torch.arange(t, device=x.device))
            q, k, v = (y.view(b, t, 4, 8).transpose(1, 2) for y in self.qkv(self.n(x)).split(32, dim=2))
            a = (q @ k.transpose(-2, -1)) * (1. / np.sqrt(8))
            a = F.softmax(a.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf")), dim=-1)
            x = x + self.proj((a @ v).transpose(1, 2).contiguous().view(b, t, 32))
            return self.head(self.end(x + self.mlp(self.m(x))))

    def llama():
        """RMS norms, rotary positions, grouped queries, SwiGLU, causal F.scaled_dot_product_attention."""
        class RMS(nn.Module):
            def __init__(self, c):
                super().__init__()
                self.w = nn.Parameter(torch.ones(c))

            def forward(self, x):
                return self.w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

        class Block(nn.Module):
            def __init__(self, c=32, t=16):
                super().__init__()
                self.words, self.n, self.m, self.e = nn.Embedding(WORDS, c), RMS(c), RMS(c), RMS(c)
                self.q, self.k, self.v, self.o = (nn.Linear(i, o, bias=False) for i, o in ((c, c), (c, 16), (c, 16), (c, c)))
                self.gate, self.up, self.down, self.head = (nn.Linear(i, o, bias=False) for i, o in ((c, 64), (c, 64), (64, c), (c, WORDS)))
                f = torch.outer(torch.arange(t).float(), 1 / 10000 ** (torch.arange(0, 8, 2) / 8))
                f = torch.cat((f, f), -1)
                self.register_buffer("cos", f.cos())
                self.register_buffer("sin", f.sin())

            def turn(self, x):
                a, b = x.chunk(2, -1)
                return x * self.cos + torch.cat((-b, a), -1) * self.sin

            def forward(self, x):
                x = self.words(x)
                b, t, _ = x.shape
                y = self.n(x)
                q, k, v = (p(y).view(b, t, -1, 8).transpose(1, 2) for p in (self.q, self.k, self.v))
                k, v = (z[:, :, None].expand(b, 2, 2, t, 8).reshape(b, 4, t, 8) for z in (k, v))
                y = F.scaled_dot_product_attention(self.turn(q), self.turn(k), v, is_causal=True)
                x = x + self.o(y.transpose(1, 2).reshape(b, t, 32))
                y = self.m(x)
                return self.head(self.e(x + self.down(F.silu(self.gate(y)) * self.up(y))))
        return Block()

    def recurrent(cell, directions=1, **more):
        end = nn.Linear(16 * directions, 6)
        return Fun(lambda m, x: m.f(m.r(x)[0][:, -1]), r=cell(6, 16, batch_first=True, bidirectional=directions == 2, **more), f=end)

    def lstm():
        return recurrent(nn.LSTM, num_layers=2)

    def gru():
        return recurrent(nn.GRU)

    def bigru():
        return recurrent(nn.GRU, 2)

    def rnn():
        return recurrent(nn.RNN, nonlinearity="tanh")

    def crnn():
        """Columns of features, a bidirectional LSTM along the width, labels of each column."""
        def forward(m, x):
            x = m.f(x).squeeze(2).permute(2, 0, 1)
            return F.log_softmax(m.g(m.r(x)[0]), -1)
        f = nn.Sequential(conv(1, 8), nn.MaxPool2d(2), conv(8, 16), nn.MaxPool2d(2), conv(16, 24), nn.MaxPool2d((2, 1)), nn.Conv2d(24, 24, (2, 1)), nn.ReLU())
        return Fun(forward, f=f, r=nn.LSTM(24, 16, bidirectional=True), g=nn.Linear(32, 11))

    def tcn():
        class Chomp(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.n = n

            def forward(self, x):
                return x[:, :, :-self.n].contiguous()
        norm = getattr(nn.utils.parametrizations, "weight_norm", nn.utils.weight_norm)
        def block(i, o, d):
            f = nn.Sequential(*[p for k in (i, o) for p in (norm(nn.Conv1d(k, o, 3, padding=2 * d, dilation=d)), Chomp(2 * d), nn.ReLU(), nn.Dropout(.2))])
            return Fun(lambda m, x: F.relu(m.f(x) + m.short(x)), f=f, short=nn.Conv1d(i, o, 1) if i != o else nn.Identity())
        return Fun(lambda m, x: m.g(m.f(x)[:, :, -1]), f=nn.Sequential(block(6, 16, 1), block(16, 16, 2), block(16, 16, 4)), g=nn.Linear(16, 4))

    def ds_cnn():
        body = [p for _ in range(3) for p in (conv(24, 24, g=24), conv(24, 24, 1))]
        return nn.Sequential(nn.Conv2d(1, 24, (10, 4), (2, 2), (5, 1)), nn.BatchNorm2d(24), nn.ReLU(), nn.Dropout(.2), *body, nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(24, 12))

    def autoencoder():
        gn = lambda c: nn.GroupNorm(4, c)
        return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), gn(16), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1), gn(32), nn.SiLU(), nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1), gn(32), nn.SiLU(),
                             nn.ConvTranspose2d(32, 16, 4, 2, 1), gn(16), nn.SiLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Sigmoid())

    def autoencoder_dense():
        parts = []
        for i, o in ((64, 32), (32, 32), (32, 8), (8, 32), (32, 32)):
            parts += [nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU()]
        return nn.Sequential(*parts, nn.Linear(32, 64))

    def siamese():
        """Two images, one set of weights, the cosine of their embeddings and the distance."""
        def forward(m, a, b):
            a, b = m.f(a), m.f(b)
            return F.cosine_similarity(a, b), m.g(torch.abs(a - b))
        return Fun(forward, f=nn.Sequential(conv(3, 16, s=2), conv(16, 32, s=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 16)), g=nn.Sequential(nn.Linear(16, 1), nn.Sigmoid()))

    image, series = IMAGE, [(steps, (24, 6))]
    sets = [(f, image) for f in (mobilenet_v1, mobilenet_v2, mobilenet_v3, efficientnet_lite, efficientnet, shufflenet_v1, shufflenet_v2, squeezenet)]
    sets += [(lambda: resnet((2, 2, 2, 2)), image, "resnet18"), (lambda: resnet((3, 4, 6, 3)), image, "resnet34")]
    sets += [(f, image) for f in (regnet, convnext, unet_transposed, unet_nearest, unet_bilinear, unet_shuffle, deeplab, yolo_one, yolo_three, ssd, vit, timm_attention, timm_fused, mlp_mixer)]
    sets += [(Decoder, [(tokens, (16,))], "decoder"), (llama, [(tokens, (16,))]), (crnn, [(images, (1, 16, 48))]), (tcn, [(signals, (6, 48))])]
    sets += [(f, series) for f in (lstm, gru, bigru, rnn)]
    sets += [(ds_cnn, [(images, (1, 49, 10))]), (autoencoder, image), (autoencoder_dense, [(features, (64,))]), (siamese, image * 2)]
    return {(s[2] if len(s) > 2 else s[0].__name__): (s[0], s[1]) for s in sets}


def export_torch(build, data, path, dynamo):
    import torch
    torch.manual_seed(SEED)
    m = build()
    x = [torch.from_numpy(a) for a in data]
    norms = [n for n in m.modules() if isinstance(n, torch.nn.modules.batchnorm._BatchNorm)]
    for n in norms:
        n.momentum = None
        torch.nn.init.uniform_(n.weight, .5, 1.5)
        torch.nn.init.normal_(n.bias, 0, .2)
    if norms:
        m.train()
        with torch.no_grad():
            m(*x)
    m.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # the exporters do not know its operations
    names = ["x"] if len(x) == 1 else [f"x{k}" for k in range(len(x))]
    with torch.no_grad():
        torch.onnx.export(m, tuple(a[:1] for a in x), path, input_names=names, dynamo=dynamo, **({"verbose": False} if dynamo else {}))


def keras_networks():
    import keras
    from keras import layers as L

    def mobilenet():
        return keras.applications.MobileNet((32, 32, 3), alpha=.25, weights=None, classes=10)

    def mobilenet_v2():
        return keras.applications.MobileNetV2((32, 32, 3), alpha=.1, weights=None, classes=10)

    def cnn():
        x = i = keras.Input((12, 12, 1))
        x = L.MaxPooling2D(2)(L.Conv2D(8, 3, activation="relu")(x))
        x = L.BatchNormalization()(L.Conv2D(12, 3, padding="same", strides=2)(x))
        return keras.Model(i, L.Dense(10, activation="softmax")(L.Flatten()(L.LeakyReLU(.1)(x))))

    def tcn():
        x = i = keras.Input((32, 6))
        for d in (1, 2, 4):
            x = L.Add()([L.Conv1D(8, 3, dilation_rate=d, padding="causal", activation="relu")(x), L.Conv1D(8, 1)(x)])
        return keras.Model(i, L.Dense(4)(L.GlobalMaxPooling1D()(x)))

    def attention():
        x = i = keras.Input((16, 32))
        y = L.LayerNormalization()(x)
        x = L.Add()([x, L.MultiHeadAttention(4, 8)(y, y)])
        return keras.Model(i, L.Dense(4)(L.GlobalAveragePooling1D()(L.LayerNormalization()(x))))

    def lstm():
        i = keras.Input((12, 6))
        return keras.Model(i, L.Dense(4)(L.LSTM(8)(i)))

    def gru():
        i = keras.Input((12, 6))
        return keras.Model(i, L.Dense(4)(L.GRU(8)(i)))

    def channels_last(rng, count, shape):
        return np.ascontiguousarray(images(rng, count, (shape[2], *shape[:2])).transpose(0, 2, 3, 1))
    data = {mobilenet: (channels_last, (32, 32, 3)), mobilenet_v2: (channels_last, (32, 32, 3)), cnn: (channels_last, (12, 12, 1)),
            tcn: (steps, (32, 6)), attention: (steps, (16, 32)), lstm: (steps, (12, 6)), gru: (steps, (12, 6))}
    return {"keras_" + f.__name__: (f, [d]) for f, d in data.items()}


def export_keras(build, data, path):
    import keras
    keras.utils.set_random_seed(SEED)
    m = build()
    m(data[0][:1])  # the exporter asks for a model that was called
    m.export(path, format="onnx", verbose=False)


def sklearn_networks():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler
    mlp = dict(hidden_layer_sizes=(24, 16), max_iter=60, random_state=SEED)
    make = {"sklearn_mlp_classifier": lambda: make_pipeline(StandardScaler(), MLPClassifier(**mlp)),
            "sklearn_mlp_regressor": lambda: make_pipeline(StandardScaler(), MLPRegressor(**mlp)),
            "sklearn_logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
            "sklearn_normalizer": lambda: make_pipeline(Normalizer(), LogisticRegression(max_iter=200, C=100))}
    return {name: (f, [(features, (12,))]) for name, f in make.items()}


def export_sklearn(build, data, path):
    import warnings
    from skl2onnx import to_onnx
    warnings.simplefilter("ignore")
    x = data[0]
    y = np.tanh(x[:, :3] / 4) @ np.array([1, -2, .5]) + x[:, 3] / 8
    m = build()
    regression = "Regressor" in type(m[-1]).__name__
    m.fit(x, y if regression else np.digitize(y, np.quantile(y, [.33, .67])))
    options = {} if regression else {"zipmap": False}
    onnx.save(to_onnx(m, x[:1], options=options), path)


EXPORTERS = {
    "dynamo": (torch_networks, lambda *a: export_torch(*a, True)),
    "legacy": (torch_networks, lambda *a: export_torch(*a, False)),
    "keras": (keras_networks, export_keras),
    "sklearn": (sklearn_networks, export_sklearn),
}


class Reader(CalibrationDataReader):
    def __init__(self, data):
        self.rest = iter(zip(*([(name, a[None]) for a in x] for name, x in data.items())))

    def get_next(self):
        return dict(next(self.rest, ())) or None


def real(outputs):
    """The results of floats: those that dnnc computes."""
    return [k for k, o in enumerate(outputs) if o.type == "tensor(float)"]


def quantize(to, calib, test):
    path, whole, prepared, quantized = (os.path.join(to, f) for f in ("model.onnx", "whole.onnx", "prepared.onnx", "qdq.onnx"))
    session = ort.InferenceSession(path)
    run = lambda s: [np.concatenate(r) for r in zip(*[s.run([s.get_outputs()[k].name for k in real(s.get_outputs())], {n: x[k:k + 1] for n, x in test.items()}) for k in range(SAMPLES)])]
    base = run(session)
    ratios = None
    try:
        onnx.save(onnx.load(path), whole)  # the quantizer refuses data in other files
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, quantized, Reader(calib), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        ratios = [float(10 * np.log10((a.astype(float) ** 2).sum() / max(((a.astype(float) - b) ** 2).sum(), 1e-30))) for a, b in zip(base, run(ort.InferenceSession(quantized)))]
    except Exception as e:
        print("   no QDQ:", str(e).splitlines()[0][:200])
    bounds = {n: [float(min(x.min(), 0)), float(max(x.max(), 0))] for n, x in calib.items() if x.dtype == np.float32}
    outputs = session.get_outputs()
    names = [outputs[k].name for k in real(outputs)]
    json.dump({"sqnr": ratios, "ranges": bounds, "outputs": names if len(names) < len(outputs) else []}, open(os.path.join(to, "qdq.json"), "w"))
    return ratios


def answers(to, test):
    session = ort.InferenceSession(os.path.join(to, "model.onnx"))
    folder = os.path.join(to, "test_data_set_0")
    os.makedirs(folder, exist_ok=True)
    inputs = {n: x[:1] for n, x in test.items()}
    for k, i in enumerate(session.get_inputs()):
        open(os.path.join(folder, f"input_{k}.pb"), "wb").write(numpy_helper.from_array(inputs[i.name], i.name).SerializeToString())
    for k, (o, y) in enumerate(zip(session.get_outputs(), session.run(None, inputs))):
        open(os.path.join(folder, f"output_{k}.pb"), "wb").write(numpy_helper.from_array(np.asarray(y), o.name).SerializeToString())


def main(folder, exporter, only=None):
    networks, export = EXPORTERS[exporter]
    for k, (name, (build, inputs)) in enumerate(networks().items()):
        if only and name not in only:
            continue
        to = os.path.join(folder, name)
        os.makedirs(to, exist_ok=True)
        rng = np.random.default_rng([SEED, k])
        calib, test = ([make(rng, n, shape) for make, shape in inputs] for n in (CALIBRATION, SAMPLES))
        test = [np.clip(x, c.min(), c.max()) for x, c in zip(test, calib)]
        try:
            export(build, calib, os.path.join(to, "model.onnx"))
        except Exception as e:
            print(name, "is not exported:", type(e).__name__, str(e)[:300], flush=True)
            continue
        names = [i.name for i in ort.InferenceSession(os.path.join(to, "model.onnx")).get_inputs()]
        calib, test = dict(zip(names, calib)), dict(zip(names, test))
        for file, data in (("calib.npz", calib), ("test.npz", test)):
            np.savez(os.path.join(to, file), **{n: x.astype(np.int32) if x.dtype == np.int64 else x for n, x in data.items()})
        answers(to, test)
        ratios = quantize(to, calib, test)
        print(name, " ".join(f"{r:.1f}" for r in ratios or []), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(",") if len(sys.argv) > 3 else None)
