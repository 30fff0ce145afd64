import { z } from "zod";

const positive = z.number().positive();

/** One shape that was measured. `ms`: by recipe, milliseconds for each of the table's thread counts. */
const measuredShape = z.strictObject({
  kind: z.string(),
  sizes: z.record(z.string(), positive),
  work: positive,
  ms: z.record(z.string(), z.array(positive)),
});

/** What the recipes of each operator cost on one machine, as `npm run tune-lowering` writes it. */
export const costTableSchema = z
  .strictObject({
    format: z.literal(1),
    /** Name of the processor, as the operating system gives it. */
    processor: z.string(),
    /** Channels in a block of ONNX Runtime's blocked convolutions there; null where it has none. */
    channelBlock: z.int().positive().nullable(),
    /** Version of onnxruntime-node. */
    runtime: z.string(),
    /** Threads of one operator that were measured, ascending. */
    threads: z.array(z.int().positive()).min(1),
    operators: z.record(z.string(), z.array(measuredShape)),
  })
  .refine(
    ({ threads, operators }) =>
      Object.values(operators).every((shapes) =>
        shapes.every(({ ms }) => Object.values(ms).every((times) => times.length === threads.length)),
      ),
    "a recipe has a time for each number of threads",
  );

export type CostTable = z.output<typeof costTableSchema>;
export type MeasuredShape = z.output<typeof measuredShape>;

/** Under these names tables hold what it costs to put a tensor into blocks of channels and back; the recipe is called "reorder". */
export const layoutOperators = { toBlocks: "ToBlocks", fromBlocks: "FromBlocks" } as const;
