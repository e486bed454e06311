import { defineConfig } from "vitest/config";
import { matrixReporter } from "./test/clients/matrix/reporter.ts";
import { faultReporter } from "./test/fault/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", faultReporter(process.env["FAULT_REPORT"]), matrixReporter(process.env["MATRIX_REPORT"])],
    // Backstops for what hangs, wide enough for a machine that others use, too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers only fight each other and make waits flaky.
    maxWorkers: 2,
  },
});
