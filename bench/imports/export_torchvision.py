"""Exports torchvision's classifiers to ONNX, each with one batch and the gradients that PyTorch computes on it.

    /usr/bin/python3 bench/imports/export_torchvision.py [NAME ...]     (made with PyTorch 1.13, torchvision 0.14)
    /usr/bin/python3 bench/imports/export_torchvision.py --fixtures     (the two small networks of test/fixtures/imports)
    /usr/bin/python3 bench/imports/export_torchvision.py --on-sides NAME FORM     (for compare.ts)

Weights are random; biases, gains and layer scales, which torchvision starts at constants, get noise, and running statistics come from three batches in
training mode. Two exports a model:

training.onnx   training form: every weight keeps its name, batch normalisation and dropout stay
inference.onnx  PyTorch's default: batch normalisation folded into the convolution before it wherever there is one

Beside each stand one or more safetensors files, a batch each, with `input`, `targets`, `classifier` (W), `loss` and for each weight `gradient:W`: the figures of the network with its
last layer replaced by logits = S W x / ||W|| (Frobenius norm, S = 2.5 sqrt(classes)), batch normalisation on the batch's statistics, without dropout and
stochastic depth. They are computed in float64; `float32:W` is how far PyTorch's own gradient in float32 lies from that, ||g - g64|| / ||g64||.

The training form's figures are those of torchvision's own module; the inference form's come from its graph, run in PyTorch by `torch_graph.py`.
"""

import copy
import json
import math
import pathlib
import struct
import sys

import onnx
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models import mobilenetv3, shufflenetv2
from torchvision.ops import StochasticDepth

import torch_graph

here = pathlib.Path(__file__).parent
cache = here / ".cache"
fixtures = here.parent.parent / "test" / "fixtures" / "imports"
classes = 10
scale = 2.5 * math.sqrt(classes)

def smooth_densenet():
    """DenseNet with SiLU for ReLU: without kinks, on one side of which float32 may round."""
    model = torchvision.models.densenet121()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return model


# Name: how it is made, image size, batch, number of batches. Small images and batches spare time, and have fewer activations to lie at the kink of a ReLU (see `best_batch`);
# from 48 on 2x2 positions are left before the pooling.
networks = {
    "resnet18": (torchvision.models.resnet18, 64, 8),
    "resnet50": (torchvision.models.resnet50, 48, 4),
    "mobilenet_v2": (torchvision.models.mobilenet_v2, 64, 8),
    "mobilenet_v3_small": (torchvision.models.mobilenet_v3_small, 64, 8),
    "efficientnet_b0": (torchvision.models.efficientnet_b0, 64, 8),
    "shufflenet_v2_x0_5": (torchvision.models.shufflenet_v2_x0_5, 64, 8),
    # Its 120 ReLUs leave hardly a batch on which every float32 computation is on the same side of every kink.
    "densenet121": (torchvision.models.densenet121, 64, 4, 3),
    "densenet121_silu": (smooth_densenet, 64, 4),
    "squeezenet1_0": (torchvision.models.squeezenet1_0, 64, 8),
    "vit_b_16": (lambda: torchvision.models.vit_b_16(image_size=64), 64, 4),
    "convnext_tiny": (torchvision.models.convnext_tiny, 64, 4),
    "regnet_y_400mf": (torchvision.models.regnet_y_400mf, 64, 8),
}


def small_shufflenet():
    return shufflenetv2.ShuffleNetV2([2, 2, 2], [8, 16, 24, 32, 48], num_classes=12)


def small_mobilenet():
    """MobileNetV3 with every kind of block: with and without squeeze-and-excitation, hard swish and ReLU, with and without residual sum."""
    block = lambda *settings: mobilenetv3.InvertedResidualConfig(*settings, 1, 1.0)
    blocks = [
        block(16, 3, 16, 16, True, "RE", 2),
        block(16, 3, 32, 16, False, "RE", 1),
        block(16, 5, 48, 24, True, "HS", 2),
        block(24, 5, 48, 24, True, "HS", 1),
    ]
    return mobilenetv3.MobileNetV3(blocks, last_channel=64, num_classes=12)


small = {"shufflenet": (small_shufflenet, 32, 4), "mobilenet_v3": (small_mobilenet, 32, 4)}


class ScaleInvariantLinear(nn.Module):
    """logits = S W x / ||W||, Frobenius norm."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, x):
        return scale * (x @ self.weight.T) / self.weight.norm()


def randomised(model, image, batch):
    """Starting values that hide nothing: no parameter constant, running statistics of data."""
    for parameter in model.parameters():
        if parameter.numel() > 1 and parameter.std() < 1e-3:
            with torch.no_grad():
                parameter += 0.1 * torch.randn_like(parameter) + (0.3 if parameter.mean().abs() < 1e-3 else 0)
    for module in model.modules():
        if isinstance(module, StochasticDepth):
            module.p = 0.0
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(batch, 3, image, image))
    return model


def with_head(model, weight):
    """The model with its classifier replaced; SqueezeNet's is a convolution with ReLU before the pooling, whose place a pooling and the layer take."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    layer = ScaleInvariantLinear(weight)
    if isinstance(model, torchvision.models.SqueezeNet):
        model.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), layer)
        return model, "classifier.2.weight"
    path = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    parent = model.get_submodule(path.rpartition(".")[0])
    setattr(parent, path.rpartition(".")[2], layer)
    return model, f"{path}.weight"


def features(model):
    if isinstance(model, torchvision.models.SqueezeNet):
        return 512
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1].in_features


def export(model, image, path, training):
    """`training`: in training form, with the weights' own names; else for inference, folded."""
    model = copy.deepcopy(model).train(training)
    mode = torch.onnx.TrainingMode
    torch.onnx.export(
        model,
        torch.randn(2, 3, image, image),
        str(path),
        training=mode.TRAINING if training else mode.EVAL,
        do_constant_folding=not training,
        keep_initializers_as_inputs=False,
        opset_version=14 if training else 17,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
    )
    return onnx.load(str(path)).graph


def loss_of(logits, targets):
    return -(targets.to(logits.dtype) * F.log_softmax(logits, 1)).sum(1).mean()


def module_gradients(model, weight, x, targets, dtype):
    """Loss and gradients of torchvision's module in training mode, the classifier's as `classifier`."""
    replaced, name = with_head(model, weight)
    replaced.to(dtype).train()
    loss = loss_of(replaced(x.to(dtype)), targets)
    loss.backward()
    gradients = {key: value.grad for key, value in replaced.named_parameters() if value.grad is not None}
    gradients["classifier"] = gradients.pop(name)
    return loss.detach(), gradients


def graph_gradients(graph, weight, x, targets, dtype, sides=None):
    """The same of an exported graph; a weight that the replaced classifier alone used has none. `sides`: for each ReLU, by the name of its output, where it lets its input through."""
    weights = {
        name: value.requires_grad_() if value.is_floating_point() else value
        for name, value in torch_graph.parameters(graph, dtype).items()
        if not name.endswith(("running_mean", "running_var"))
    }
    weights.update({name: value for name, value in torch_graph.parameters(graph, dtype).items() if name not in weights})
    head = weight.detach().clone().to(dtype).requires_grad_()
    last = [node for node in graph.node if node.op_type in ("Gemm", "Conv")][-1]
    after = [node.op_type for node in graph.node[list(graph.node).index(last) + 1 :]]
    convolutional = last.op_type == "Conv"
    assert not convolutional or after[:2] == ["Relu", "GlobalAveragePool"], after
    logits = []

    def replace(node, inputs):
        if sides is not None and node.op_type == "Relu":
            return inputs[0] * sides[node.output[0]].to(dtype)
        if node != last:
            return None
        pooled = inputs[0].mean((2, 3)) if convolutional else inputs[0]
        logits.append(scale * (pooled @ head.T) / head.norm())
        return logits[0][:, :, None, None] if convolutional else logits[0]

    torch_graph.run(graph, x.to(dtype), weights, training=True, replace=replace)
    loss = loss_of(logits[0], targets)
    loss.backward()
    gradients = {name: value.grad for name, value in weights.items() if value.grad is not None}
    gradients["classifier"] = head.grad
    return loss.detach(), gradients


def relative_distance(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def beyond(errors):
    return sum(error > 1e-3 for error in errors.values())


def best_batch(compute, batch, image, tries=6):
    """A batch, its loss and gradients in float64, and how far those in float32 are from them. Of a few random batches the one on which float32 resolves most gradients: where an activation lies within rounding of a ReLU's kink, or two
    are the largest of a pool, float32 takes one side by chance and whole gradients change by a percent."""
    best = None
    for _ in range(tries):
        x = torch.randn(batch, 3, image, image)
        loss, gradients = compute(x, torch.float64)
        rounded = compute(x, torch.float32)[1]
        errors = {key: relative_distance(rounded[key], value) for key, value in gradients.items()}
        if best is None or beyond(errors) < beyond(best[3]):
            best = x, loss, gradients, errors
        # A bias that a normalisation subtracts again has no gradient but rounding: no batch changes that.
        if all(error <= 1e-3 for error in errors.values() if error < 0.5):
            break
    return best


def save(path, tensors):
    """A safetensors file: length of the header, header, data."""
    header, chunks, position = {}, [], 0
    for key, value in tensors.items():
        data = torch.as_tensor(value).detach().to(torch.float32).contiguous().numpy().tobytes()
        shape = list(torch.as_tensor(value).shape)
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
        chunks.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def make(name, build, image, batch, *batches, folder):
    torch.manual_seed(sum(name.encode()))
    model = randomised(build(), image, batch)
    targets = F.one_hot(torch.arange(batch) * 7 % classes, classes).float()
    weight = torch.randn(classes, features(model)) / math.sqrt(features(model))
    folder.mkdir(parents=True, exist_ok=True)

    for form in ("training", "inference"):
        graph = export(model, image, folder / f"{form}.onnx", form == "training")
        if form == "training":
            compute = lambda x, dtype: module_gradients(model, weight, x, targets, dtype)
        else:
            compute = lambda x, dtype: graph_gradients(graph, weight, x, targets, dtype)
        found = [best_batch(compute, batch, image, 2 if batches else 6) for _ in range(*(batches or [1]))]
        x, loss, gradients, errors = found[0]
        if form == "training":
            # The interpreter of graphs must say what the module says.
            interpreted = graph_gradients(graph, weight, x, targets, torch.float64)[1]
            size = max(value.norm() for value in gradients.values())
            for key, value in gradients.items():
                assert (interpreted[key] - value).norm() < 1e-6 * max(value.norm(), 1e-6 * size), (name, key)
        else:
            # So must the folded graph, without replaced classifier and batch statistics.
            with torch.no_grad():
                weights = torch_graph.parameters(graph, torch.float64)
                y = torch_graph.run(graph, x.double(), weights, training=False)[graph.output[0].name]
                expected = copy.deepcopy(model).double().eval()(x.double())
            assert relative_distance(y, expected) < 1e-4, (name, relative_distance(y, expected))
        for number, (x, loss, gradients, errors) in enumerate(found, 1):
            tensors = {"input": x, "targets": targets, "classifier": weight, "loss": loss}
            for key, value in gradients.items():
                tensors[f"gradient:{key}"] = value
                tensors[f"float32:{key}"] = errors[key]
            save(folder / (f"{form}.safetensors" if number == 1 else f"{form}-{number}.safetensors"), tensors)
        far = beyond(errors)
        print(f"{name} {form}: loss {loss.item():.6f}, {len(gradients)} gradients, {far} beyond 1e-3 in PyTorch's float32", flush=True)


def load(path):
    """The tensors of a safetensors file, float32 or uint8."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    dtypes = {"F32": torch.float32, "U8": torch.uint8}
    return {
        key: torch.frombuffer(bytearray(data[8 + length + begin : 8 + length + end]), dtype=dtypes[entry["dtype"]]).reshape(entry["shape"])
        for key, entry in header.items()
        for begin, end in [entry["data_offsets"]]
    }


def on_sides(name, form):
    """The figures of a model's first batch once more, with every ReLU on the side that `FORM.sides` says."""
    folder = cache / name
    figures, sides = load(folder / f"{form}.safetensors"), load(folder / f"{form}.sides")
    graph = onnx.load(str(folder / f"{form}.onnx")).graph
    inputs = [figures[key] for key in ("classifier", "input", "targets")]
    loss, gradients = graph_gradients(graph, *inputs, torch.float64, sides)
    figures["loss"] = loss
    figures.update({f"gradient:{key}": value for key, value in gradients.items()})
    save(folder / f"{form}-on-sides.safetensors", figures)


torch.set_num_threads(2)
if "--on-sides" in sys.argv:
    on_sides(*sys.argv[-2:])
elif "--fixtures" in sys.argv:
    for name, settings in small.items():
        make(name, *settings, folder=fixtures / name)
else:
    for name in sys.argv[1:] or networks:
        if len(sys.argv) > 1 or not (cache / name / "inference.safetensors").exists():
            make(name, *networks[name], folder=cache / name)
