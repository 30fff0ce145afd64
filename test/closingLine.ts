import type { Reporter, TestModule } from "vitest/node";

/** Closes a test run with one plain line, `N passed, N failed, N skipped`, which any continuous integration can read. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        const { state } = test.result();
        if (state === "passed" || state === "failed" || state === "skipped") counts[state]++;
        else counts.failed++;
      }
      // A file that could not be loaded has no tests, and is a failure all the same.
      if (tests === 0 && module.state() === "failed") counts.failed++;
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
  }
}
