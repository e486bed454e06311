import { defineConfig } from "vitest/config";
import { matrixReporter } from "./test/clients/matrix/reporter.ts";
import { faultReporter } from "./test/fault/reporter.ts";
import { flakyReporter } from "./test/support/flaky-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/missing-servers.ts"],
    reporters: ["default", flakyReporter, faultReporter(process.env["FAULT_REPORT"]), matrixReporter(process.env["MATRIX_REPORT"])],
    // Backstops for what hangs, wide enough for a machine that others use, too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers only fight each other and make waits flaky.
    maxWorkers: 2,
    // Where nobody can start a run again by hand, what fails once and passes then is told by .ci/run, and stops nothing.
    retry: process.env["CI"] === undefined ? 0 : 1,
  },
});
