"""Runs an ONNX graph with PyTorch, so that autograd gives the gradients of whatever was exported: folded weights included.

One function an operator, of operator sets 13 to 17, in the dtype that the weights are given in. Covers what torchvision's classifiers are exported to.
`export_torchvision.py` checks it on every model against the module that the graph was exported from, outputs and gradients.
"""

import numpy
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

operators = {}


def operator(function):
    operators[function.__name__] = function
    return function


def numbers(tensor):
    return [int(value) for value in tensor.flatten()]


def axis_list(axes):
    return None if axes is None else numbers(axes) if torch.is_tensor(axes) else list(axes)


def symmetric(pads, kernel_shape):
    """Pads of both sides; PyTorch's functions take one number an axis."""
    rank = len(kernel_shape)
    pads = list(pads or [0] * 2 * rank)
    assert pads[:rank] == pads[rank:], f"pads {pads} differ by side"
    return pads[:rank]


@operator
def Conv(x, weight, bias=None, kernel_shape=None, strides=None, pads=None, dilations=None, group=1):
    rank = weight.dim() - 2
    convolution = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    stride, dilation = strides or [1] * rank, dilations or [1] * rank
    return convolution(x, weight, bias, stride, symmetric(pads, weight.shape[2:]), dilation, group)


@operator
def Gemm(a, b, c=None, alpha=1.0, beta=1.0, transA=0, transB=0):
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


@operator
def BatchNormalization(x, scale, bias, mean, variance, epsilon=1e-5, momentum=0.9, training_mode=0):
    if batch_statistics:
        mean, variance = None, None
    return F.batch_norm(x, mean, variance, scale, bias, training=batch_statistics, momentum=0, eps=epsilon)


@operator
def LayerNormalization(x, scale, bias=None, axis=-1, epsilon=1e-5):
    return F.layer_norm(x, x.shape[axis:], scale, bias, epsilon)


@operator
def MaxPool(x, kernel_shape, strides=None, pads=None, dilations=1, ceil_mode=0):
    return F.max_pool2d(x, kernel_shape, strides or 1, symmetric(pads, kernel_shape), dilations, bool(ceil_mode))


@operator
def AveragePool(x, kernel_shape, strides=None, pads=None, ceil_mode=0, count_include_pad=0):
    padding = symmetric(pads, kernel_shape)
    return F.avg_pool2d(x, kernel_shape, strides or 1, padding, bool(ceil_mode), bool(count_include_pad))


@operator
def Pad(x, pads, value=None, mode=b"constant"):
    pads = numbers(pads)
    pairs = [side for axis in reversed(range(x.dim())) for side in (pads[axis], pads[axis + x.dim()])]
    return F.pad(x, pairs, mode.decode(), 0 if value is None else value.item())


@operator
def GlobalAveragePool(x):
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


@operator
def ReduceMean(x, axes=None, keepdims=1):
    return x.mean(axis_list(axes), keepdim=bool(keepdims))


@operator
def Reshape(x, shape, allowzero=0):
    assert not allowzero
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(numbers(shape))])


@operator
def Squeeze(x, axes):
    for axis in sorted((axis % x.dim() for axis in axis_list(axes)), reverse=True):
        x = x.squeeze(axis)
    return x


@operator
def Unsqueeze(x, axes):
    axes = axis_list(axes)
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator
def Slice(x, starts, ends, axes=None, steps=None):
    axes = range(x.dim()) if axes is None else numbers(axes)
    for i, axis in enumerate(axes):
        size, step = x.shape[axis], 1 if steps is None else numbers(steps)[i]
        index = torch.arange(size)[slice(numbers(starts)[i], numbers(ends)[i], step)]
        x = x.index_select(axis, index)
    return x


@operator
def Split(x, split=None, axis=0, outputs=1):
    return x.split(x.shape[axis] // outputs if split is None else numbers(split), axis)


@operator
def Gather(x, indices, axis=0):
    flat = indices.flatten()
    taken = x.index_select(axis, torch.where(flat < 0, flat + x.shape[axis], flat))
    axis = axis % x.dim()
    return taken.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


@operator
def Expand(x, shape):
    return x.expand(torch.broadcast_shapes(x.shape, tuple(numbers(shape))))


@operator
def ConstantOfShape(shape, value=torch.zeros(1)):
    return torch.full(numbers(shape), value.item(), dtype=value.dtype)


@operator
def Cast(x, to):
    target = {1: x.dtype if x.is_floating_point() else torch.float64, 7: torch.int64, 9: torch.bool}[to]
    return x.to(target)


operators.update(
    Add=torch.add,
    Sub=torch.sub,
    Mul=torch.mul,
    Div=lambda a, b: a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc"),
    Pow=lambda a, b: a**b,
    Equal=torch.eq,
    Where=torch.where,
    MatMul=torch.matmul,
    Sqrt=torch.sqrt,
    Erf=torch.erf,
    Relu=F.relu,
    Sigmoid=torch.sigmoid,
    HardSigmoid=lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clamp(0, 1),
    HardSwish=lambda x: x * (x / 6 + 0.5).clamp(0, 1),
    Clip=lambda x, low=None, high=None: x.clamp(low, high),
    Softmax=lambda x, axis=-1: torch.softmax(x, axis),
    Flatten=lambda x, axis=1: x.reshape(int(numpy.prod(x.shape[:axis])), -1),
    Transpose=lambda x, perm: x.permute(perm),
    Concat=lambda *parts, axis: torch.cat(parts, axis),
    Shape=lambda x: torch.tensor(x.shape),
    Identity=lambda x: x,
    Constant=lambda value: value,
    Dropout=lambda x, *_, **__: x,
)

batch_statistics = True


def attribute(stored, dtype):
    value = onnx.helper.get_attribute_value(stored)
    return tensor(value, dtype) if isinstance(value, onnx.TensorProto) else value


def tensor(proto, dtype):
    value = torch.from_numpy(numpy_helper.to_array(proto).copy())
    return value.to(dtype) if value.is_floating_point() else value


def parameters(graph, dtype):
    """The graph's initializers by name."""
    return {proto.name: tensor(proto, dtype) for proto in graph.initializer}


def run(graph, x, weights, training, replace=None):
    """Values of the graph by name. `training`: batch normalisation takes the batch's statistics; dropout never drops.

    `replace(node, inputs)` may compute a node in its own way.
    """
    global batch_statistics
    batch_statistics = training
    values = {"": None, graph.input[0].name: x, **weights}
    for node in graph.node:
        inputs = [values[name] for name in node.input]
        y = replace(node, inputs) if replace else None
        if y is None:
            attributes = {stored.name: attribute(stored, x.dtype) for stored in node.attribute}
            if node.op_type == "Split":
                attributes["outputs"] = len(node.output)
            y = operators[node.op_type](*inputs, **attributes)
        values.update(zip(node.output, y if isinstance(y, (tuple, list)) else [y]))
    return values
