import { defineConfig } from "vitest/config";
import { softwareVulkan } from "./test/softwareVulkan.js";

// The processes that run tests inherit it.
Object.assign(process.env, softwareVulkan());

export default defineConfig({
  test: {
    reporters: ["default", "./test/closingLine.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Against hangs alone: a loaded machine may take ten times as long as an idle one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    projects: [
      { extends: true, test: { name: "src", include: ["src/**/*.test.ts"] } },
      // These run the built command line as a user would.
      { extends: true, test: { name: "test", include: ["test/**/*.test.ts"], globalSetup: ["./test/build.ts"] } },
    ],
  },
});
