import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    core: "src/core.ts",
    cli: "src/cli/main.ts",
    worker: "src/run/worker.ts",
    batches: "src/data/prefetch/batches.ts",
  },
  format: "esm",
  platform: "node",
  target: "node20.9",
  outExtensions: () => ({ js: ".js", dts: ".d.ts" }),
  dts: true,
  clean: true,
});
