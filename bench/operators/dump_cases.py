"""Writes the node cases of ONNX's backend test suite, as the installed onnx package makes them, to a folder.

    python3 dump_cases.py FOLDER

FOLDER/index.json lists the cases. Of each case NAME.onnx is the model, and NAME.data.onnx a model that does nothing and holds the inputs and
expected outputs as initializers "input_0", ..., "output_0", .... What is no tensor (sequences, optionals) is left out and listed as "other".
"""
import json
import os
import sys
import warnings

import numpy as np

# The suite of onnx 1.12 uses names that NumPy has dropped since.
for name, type_ in [("float", float), ("int", int), ("bool", bool), ("object", object)]:
    if name not in np.__dict__:
        setattr(np, name, type_)
warnings.filterwarnings("ignore")

import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases


def tensor(value, name):
    if isinstance(value, onnx.TensorProto):
        copy = onnx.TensorProto()
        copy.CopyFrom(value)
        copy.name = name
        return copy
    if isinstance(value, (np.ndarray, np.generic)):
        return numpy_helper.from_array(np.asarray(value), name)
    return None


def main(folder):
    os.makedirs(folder, exist_ok=True)
    index = []
    # A few names are given twice.
    for case in {case.name: case for case in collect_testcases(None)}.values():
        inputs, outputs = case.data_sets[0]
        tensors, kinds = [], {}
        for side, values in (("input", inputs), ("output", outputs)):
            made = [tensor(value, f"{side}_{at}") for at, value in enumerate(values)]
            kinds[side + "s"] = ["other" if value is None else "tensor" for value in made]
            tensors += [value for value in made if value is not None]
        with open(os.path.join(folder, case.name + ".onnx"), "wb") as file:
            file.write(case.model.SerializeToString())
        with open(os.path.join(folder, case.name + ".data.onnx"), "wb") as file:
            graph = helper.make_graph([], case.name, [], [], initializer=tensors)
            file.write(helper.make_model(graph).SerializeToString())
        index.append({"name": case.name, **kinds})
    index.sort(key=lambda entry: entry["name"])
    with open(os.path.join(folder, "index.json"), "w") as file:
        json.dump({"onnx": onnx.__version__, "opset": onnx.defs.onnx_opset_version(), "cases": index}, file, indent=1)
    print(f"{len(index)} cases of onnx {onnx.__version__}")


main(sys.argv[1])
