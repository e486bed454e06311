import { expect, test } from "vitest";

import type { TargetId } from "../../src/core/catalog.ts";
import { credentialLog } from "../../src/telemetry/credential-log.ts";
import type { Log } from "../../src/telemetry/log.ts";

test("a change of a credential is one line: a warning when it is refused, plain when it is taken again", () => {
  const lines: unknown[] = [];
  const target = "openai/o3" as TargetId;
  const write = (level: string) => (fields: unknown, message: string) => lines.push([level, message, fields]);
  const log = { warn: write("warn"), info: write("info") } as unknown as Log;
  const tell = credentialLog(log);
  tell({ provider: "openai", target, reason: "UPSTREAM_AUTH" });
  tell({ provider: "openai", target: "openai/gpt" as TargetId, reason: "QUOTA_EXHAUSTED" });
  tell({ provider: "openai", target, reason: undefined });
  expect(lines).toEqual([
    ["warn", "provider credential is refused", { provider: "openai", target, reason: "UPSTREAM_AUTH" }],
    ["warn", "provider credential is refused", { provider: "openai", target: "openai/gpt", reason: "QUOTA_EXHAUSTED" }],
    ["info", "provider credential is taken again", { provider: "openai", target }],
  ]);
});
