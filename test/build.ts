import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "tsdown";
import type { TestProject } from "vitest/node";
import config from "../tsdown.config.js";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of a build made for this run of the tests. */
    build: string;
  }
}

/** Builds the package once for all tests, away from dist/, which may be older than the sources or in use. */
export default async function setup(project: TestProject): Promise<() => void> {
  const folder = join(import.meta.dirname, "..", ".test-build", String(process.pid));
  await build({ ...config, config: false, outDir: folder, dts: false, logLevel: "error" });
  project.provide("build", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
