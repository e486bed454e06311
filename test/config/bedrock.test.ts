import { describe, expect, test } from "vitest";

import { loadConfiguration } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { fingerprintOf } from "../../src/assembly/providers.ts";
import { build, folderWith } from "./workspace.ts";

function load(settings: string, environment: Readonly<Record<string, string>> = {}, files: Readonly<Record<string, string>> = {}) {
  const text = `providers: {bedrock: {${settings}}}\n`;
  return loadConfiguration({ ...build, explicitPath: undefined, environment, cwd: folderWith({ ...files, "config.yaml": text }) });
}

/** Lines without their place in the file. */
function problemsOf(settings: string, environment: Readonly<Record<string, string>> = {}): readonly string[] {
  const result = load(settings, environment);
  const problems = result.kind === "refused" ? result.problems : result.warnings;
  return problems.map((problem) => formatProblem(problem).replace(/^\S+ /, ""));
}

function settingsOf(settings: string, environment: Readonly<Record<string, string>> = {}, files: Readonly<Record<string, string>> = {}) {
  const result = load(settings, environment, files);
  const bedrock = result.kind === "refused" ? undefined : result.settings.providers["bedrock"];
  if (bedrock === undefined) throw new Error(JSON.stringify(result));
  return bedrock;
}

const pair = "access_key_id: AKID, secret_access_key: s3cret";
const variable = { AWS_BEARER_TOKEN_BEDROCK: "from-env" };

describe("what is wrong is named by its path:", () => {
  test.for<{ settings: string; lines: string[] }>([
    { settings: pair, lines: ["providers.bedrock.region: is required for type bedrock"] },
    {
      settings: `region: "us-east-1.evil.example/", ${pair}`,
      lines: ['providers.bedrock.region: expected a region such as us-east-1, got "us-east-1.evil.example/"'],
    },
    {
      settings: "region: us-east-1, access_key_id: AKID",
      lines: ["providers.bedrock.secret_access_key: is required beside access_key_id"],
    },
    {
      settings: "region: us-east-1, secret_access_key: s3cret",
      lines: ["providers.bedrock.access_key_id: is required beside secret_access_key"],
    },
    {
      settings: `region: us-east-1, ${pair}, api_key: k`,
      lines: ["providers.bedrock.api_key: set together with access_key_id and secret_access_key; only one kind of credentials may be"],
    },
    {
      settings: "region: us-east-1, api_key: k, session_token: t",
      lines: ["providers.bedrock.session_token: belongs to access_key_id and secret_access_key, which are not set"],
    },
  ])("$settings", ({ settings, lines }) => {
    expect(problemsOf(settings)).toEqual(lines);
  });

  test("no credentials at all are a warning, as with every vendor", () => {
    expect(problemsOf("region: us-east-1")).toEqual([
      "providers.bedrock.api_key: not set, nor is AWS_BEARER_TOKEN_BEDROCK, nor are access_key_id and secret_access_key; bedrock answers nobody without a key",
    ]);
  });
});

describe("what is right:", () => {
  test.for([`region: us-east-1, ${pair}`, `region: us-gov-west-1, ${pair}, session_token: t`, "region: us-east-1, api_key: k"])(
    "%s",
    (settings) => {
      expect(problemsOf(settings)).toEqual([]);
    },
  );

  test("the variable of Amazon's own clients is the key", () => {
    const { api_key: key } = settingsOf("region: us-east-1", variable);
    expect([key?.reveal(), key?.source]).toEqual(["from-env", "env:AWS_BEARER_TOKEN_BEDROCK"]);
  });

  test("but not beside access keys, which are chosen on purpose", () => {
    expect(settingsOf(`region: us-east-1, ${pair}`, variable).api_key).toBeUndefined();
    const files = { id: "AKID", secret: "s3cret" };
    const fromFiles = settingsOf("region: us-east-1, access_key_id_file: id, secret_access_key_file: secret", variable, files);
    expect([fromFiles.api_key, fromFiles.secret_access_key?.reveal()]).toEqual([undefined, "s3cret"]);
  });

  test("keys come from variables by their names", () => {
    const named = 'region: us-east-1, access_key_id: "${AWS_ACCESS_KEY_ID}", secret_access_key: "${AWS_SECRET_ACCESS_KEY}"';
    const { secret_access_key: secret } = settingsOf(named, { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "s3cret" });
    expect([secret?.reveal(), secret?.source]).toEqual(["s3cret", "env:AWS_SECRET_ACCESS_KEY"]);
    expect(JSON.stringify(secret)).toBe('"***"');
  });
});

test("a new secret makes a new provider on reload", () => {
  const timeouts = { connect: 1, first_token: 1, idle: 1, progress: 1, total: 1 };
  const print = (settings: string): string => fingerprintOf(settingsOf(settings), timeouts);
  const now = print(`region: us-east-1, ${pair}, session_token: t`);
  expect(print(`region: us-east-1, ${pair}, session_token: t`)).toBe(now);
  expect(print("region: us-east-1, access_key_id: AKID, secret_access_key: other, session_token: t")).not.toBe(now);
  expect(print(`region: us-east-1, ${pair}, session_token: u`)).not.toBe(now);
  expect(print("region: us-east-1, access_key_id: BKID, secret_access_key: s3cret, session_token: t")).not.toBe(now);
});
