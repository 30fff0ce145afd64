import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { analyseScaleInvariance, type BaseRule, norms, scaleInvariantLinear } from "../method/index.js";
import { randomTensor } from "../method/testing/run.js";
import { encode, int, type Model, type Tensor } from "../onnx/index.js";
import { adam, sgd } from "../optim/index.js";
import { compileStep, StepRunner } from "./index.js";
import { methodOptions, standardisedTable } from "./testing/stepOptions.js";

const [batch, columns, width, classes] = [8, 4, 6, 3];

/** Two matrices in one weight [columns, 2 width], the halves of its output each layer-normalised by itself and multiplied. */
function network(): Model {
  const b = new GraphBuilder();
  const x = b.input("input", "float32", [batch, columns]);
  const both = b.matMul(x, b.initializer("fused", randomTensor([columns, 2 * width], 1)));
  const halves = b.add("Split", [both], { axis: int(1), num_outputs: int(2) }, { outputs: 2 });
  const [first, second] = halves.map((half, index) =>
    b.op("LayerNormalization", [half, b.initializer(`gain${index}`, randomTensor([width], 2 + index))], {
      axis: int(-1),
    }),
  );
  const y = b.times(first!, second!);
  const head = b.initializer("classifier.weight", randomTensor([classes, width], 4));
  b.output("logits", scaleInvariantLinear(b, y, head, { scale: 4 }));
  return {
    graph: b.finish("fused"),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  };
}

/** Norms of the weight's two halves of columns. */
function halfNorms(weight: Tensor): readonly number[] {
  const perColumn = norms(weight, 1);
  return [0, 1].map((half) => Math.hypot(...perColumn.slice(half * width, (half + 1) * width)));
}

/** The angle between two weights' halves, in radians. */
function halfAngles(a: Tensor, b: Tensor): readonly number[] {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  const [sizes, others] = [halfNorms(a), halfNorms(b)];
  return [0, 1].map((half) => {
    const product = x.reduce(
      (sum, value, i) => (Math.floor((i % (2 * width)) / width) === half ? sum + value * y[i]! : sum),
      0,
    );
    return Math.acos(Math.min(1, product / (sizes[half]! * others[half]!)));
  });
}

describe.each<[BaseRule, ReturnType<typeof sgd>]>([
  ["sgd", sgd()],
  ["angular", sgd()],
  ["angular", adam()],
])("two matrices in one weight, base rule %s", (baseRule, optimizer) => {
  it("each keep their own norm", async () => {
    const model = network();
    const proofs = analyseScaleInvariance(model.graph);
    expect(proofs.find(({ name }) => name === "fused")!.matrices).toEqual({ axis: 1, parts: [0, 1] });
    const step = compileStep(model, {
      ...standardisedTable(columns),
      classes,
      batchSize: batch,
      proofs,
      ...methodOptions,
      optimizer,
      baseRule,
      ema: 0.9,
    });
    const start = model.graph.initializers.get("fused")!;
    const session = await InferenceSession.create(encode({ ...model, graph: step.graph, opsets: step.opsets }), {
      intraOpNumThreads: 1,
    });
    const runner = new StepRunner({ session, Tensor: OrtTensor }, step, new Map());
    const records = randomTensor([batch, columns], 9).data;
    const targets = Float32Array.from({ length: batch * classes }, (_, i) => (i % 4 === 0 ? 1 : 0));
    const elr = 0.05;
    for (let index = 0; index < 5; index++) {
      const before = (await runner.snapshot()).get("fused")!;
      const { finite } = await runner.run(records, targets, { elr, lr: 0.05, ...step.scalars(index) });
      expect(finite).toBe(true);
      const after = (await runner.snapshot()).get("fused")!;
      for (const [half, norm] of halfNorms(after).entries())
        expect(norm / halfNorms(start)[half]! - 1).toBeCloseTo(0, 5);
      for (const angle of halfAngles(before, after)) {
        expect(angle).toBeGreaterThan(1e-3);
        // A step of length ELR n turns by no more than asin ELR; one orthogonal to the weight by atan ELR.
        if (baseRule === "angular") expect(angle).toBeLessThan(Math.asin(elr) + 1e-3);
      }
      if (baseRule === "angular" && index === 0)
        for (const angle of halfAngles(before, after))
          expect(angle).toBeCloseTo(Math.atan(elr), optimizer.name === "sgd" ? 3 : 1);
    }
    const average = [...(await runner.snapshot())].find(
      ([name]) => name.includes("fused") && name.includes("average"),
    )![1];
    for (const [half, norm] of halfNorms(average).entries())
      expect(norm / halfNorms(start)[half]! - 1).toBeCloseTo(0, 5);
  });
});
