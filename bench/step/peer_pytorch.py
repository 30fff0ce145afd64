"""The bench's workloads in PyTorch: reads lines `steps N` on stdin, answers with the milliseconds of each step as a JSON list.

    /usr/bin/python3 bench/step/peer_pytorch.py WORKLOAD nchw|channels_last THREADS

Same networks and batches as workloads.ts, SGD with momentum 0.9, ReLU in place. The classifier is a plain linear layer without bias.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def conv_bn(inputs, outputs, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first, self.second = conv_bn(inputs, outputs, 3, stride), conv_bn(outputs, outputs)
        self.shortcut = conv_bn(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x), inplace=True)) + self.shortcut(x), inplace=True)


def pooled(*layers, features):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10, bias=False))


def resnet20(width):
    blocks = [
        Block(width * 2 ** max(stage - (index == 0), 0), width * 2**stage, 2 if stage > 0 and index == 0 else 1)
        for stage in range(3)
        for index in range(3)
    ]
    return pooled(conv_bn(3, width), nn.ReLU(True), *blocks, features=4 * width)


def convnet(width=16):
    layers, channels = [], 1
    for stage in range(3):
        for layer in range(2):
            stride = 2 if stage > 0 and layer == 0 else 1
            layers += [conv_bn(channels, width * 2**stage, 3, stride), nn.ReLU(True)]
            channels = width * 2**stage
    return pooled(*layers, features=channels)


def mlp(*widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10, bias=False))


def mobilenetv2():
    from torchvision.models import mobilenet_v2

    return mobilenet_v2(weights=None, width_mult=0.5, num_classes=10, dropout=0)


class Vit(nn.Module):
    def __init__(self, side=32, patch=4, dim=192, depth=12, heads=3):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, patch, patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2, dim))
        layer = lambda: nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.Sequential(*[layer() for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10, bias=False)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(tokens)).mean(1))


workloads = {
    "resnet20": (lambda: resnet20(16), (128, 3, 32, 32)),
    "resnet20w32": (lambda: resnet20(32), (128, 3, 32, 32)),
    "mlp": (lambda: mlp(784, 1024, 1024), (256, 784)),
    "mobilenetv2": (mobilenetv2, (32, 3, 96, 96)),
    "convnet": (convnet, (128, 1, 14, 14)),
    "digits": (lambda: mlp(64, 128, 128), (64, 64)),
    "vit-tiny": (Vit, (32, 3, 32, 32)),
}

name, layout, threads = sys.argv[1:4]
torch.manual_seed(0)
torch.set_num_threads(int(threads))
torch.set_flush_denormal(True)
build, shape = workloads[name]
model, x = build().train(), torch.randn(shape)
if layout == "channels_last" and len(shape) == 4:
    model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
targets = torch.arange(shape[0]) % 10
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)


def step():
    begin = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(model(x), targets).backward()
    optimizer.step()
    return 1000 * (time.perf_counter() - begin)


step()
print("{}", flush=True)
for line in sys.stdin:
    _, count = line.split()
    print(json.dumps([step() for _ in range(int(count))]), flush=True)
import resource

print(json.dumps({"peakMemoryBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}), flush=True)
