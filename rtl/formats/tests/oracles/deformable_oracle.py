"""Deformable convolution by ONNX's reference evaluator, beside what bitmill-formats makes of the same numbers.

A case is a line of JSON: attributes, shapes and inputs of DeformConv, and our output. Ends with 3 where onnx is not
installed.
"""
import json
import sys


def evaluate(case):
    names = ["x", "weights", "offsets", "bias", "mask"]
    given = [name for name in names if case[name] is not None]
    inputs = [name if case[name] is not None else "" for name in names]
    tensors = {name: np.array(case[name], dtype=np.float64).reshape(case["shapes"][name]) for name in given}
    node = helper.make_node("DeformConv", inputs, ["y"], **case["attributes"])
    infos = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, tensors[n].shape) for n in given]
    result = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)]
    graph = helper.make_graph([node], "case", infos, result)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    return ReferenceEvaluator(model).run(None, tensors)[0].flatten()


def main():
    numbers, cases, wrong = 0, 0, 0
    for line in sys.stdin:
        case = json.loads(line)
        expected, given = evaluate(case), np.array(case["y"])
        numbers, cases = numbers + given.size, cases + 1
        # Double precision on both sides, summed in other orders: a few hundred terms of at most 16.
        if given.shape != expected.shape or np.abs(given - expected).max() > 1e-10:
            wrong += 1
            print(f"{case['attributes']} {case['shapes']}: ours and the reference differ")
    print(f"onnx: {numbers} numbers in {cases} deformable convolutions")
    sys.exit(1 if wrong or not cases else 0)


try:
    import numpy as np
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator
except ImportError:
    sys.exit(3)
main()
