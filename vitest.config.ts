import { defineConfig } from "vitest/config";
import { faultReporter } from "./test/fault/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", faultReporter(process.env["FAULT_REPORT"])],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Two cores: more workers only fight each other and make waits flaky.
    maxWorkers: 2,
  },
});
