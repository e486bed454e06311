import type { Reporter } from "vitest/node";

/** Tells at the end of a run, a line each, which tests failed and passed when they were tried again. */
export const flakyReporter: Reporter = {
  onTestRunEnd(modules) {
    for (const module of modules)
      for (const test of module.children.allTests())
        if (test.diagnostic()?.flaky === true) process.stdout.write(`flaky: ${module.relativeModuleId} > ${test.fullName}\n`);
  },
};
