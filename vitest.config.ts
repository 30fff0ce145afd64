import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./test/closingLine.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "src", include: ["src/**/*.test.ts"] } },
      // These run the built command line as a user would.
      { extends: true, test: { name: "test", include: ["test/**/*.test.ts"], globalSetup: ["./test/build.ts"] } },
    ],
  },
});
