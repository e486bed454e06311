import { describe, expect, test } from "vitest";

import { breakerOptionsFrom, callOptionsFrom, restartNeeded, sameSettings } from "../../src/assembly/options.ts";
import { createReloader } from "../../src/assembly/reloader.ts";
import type { Loaded, Refused } from "../../src/config/load.ts";
import { load, loaded, settingsOf } from "../config/workspace.ts";

const base = `
server: {port: 9000}
admin: {token: "\${TOKEN}"}
auth: {keys: [{name: team, key: "\${TEAM}"}]}
providers: {openai: {api_key: "\${KEY}"}}
`;
const environment = { TOKEN: "token-of-admin-0123456789", TEAM: "key-of-team-0123456789abcdef", KEY: "sk-one" };

describe("the numbers of a call", () => {
  test("are those of the configuration", () => {
    expect(
      callOptionsFrom(
        settingsOf(
          "resilience: {max_attempts: 7, retry: {base_delay: 5ms, max_delay: 6s}, timeouts: {first_token: 1s, idle: 2s, total: 3s}}\nunsupported_fields: require",
        ),
      ),
    ).toEqual({
      attemptsMax: 7,
      retryBaseMs: 5,
      retryMaxMs: 6000,
      firstTokenMs: 1000,
      idleMs: 2000,
      totalMs: 3000,
      progressMs: 300_000,
      retryBudget: 0.2,
      hedge: undefined,
      unsupportedFields: "require",
    });
    expect(
      breakerOptionsFrom(
        settingsOf(
          "resilience: {circuit_breaker: {consecutive_failures: 2, failure_ratio: 0.25, min_calls: 3, window: 4s, open: 5s, max_open: 6s}}",
        ),
      ),
    ).toEqual({
      consecutiveFailures: 2,
      failureRatio: 0.25,
      callsMin: 3,
      windowMs: 4000,
      openMs: 5000,
      openMsMax: 6000,
    });
  });
});

describe("what needs a restart", () => {
  const before = () => settingsOf(base, environment);
  for (const [change, paths] of [
    ["", []],
    ["server: {port: 9001}", ["server.port"]],
    ["server: {host: 0.0.0.0}\nauth: {required: false}", ["server.host", "server.port"]],
    ["server: {port: 9000, max_body: 1MiB}", ["server.max_body"]],
    ["server: {port: 9000, heartbeat: 1s, drain_delay: 9s}", []],
    ["resilience: {circuit_breaker: {open: 9s}}", ["resilience.circuit_breaker"]],
    ["resilience: {max_attempts: 2, timeouts: {total: 9s}}", []],
    ["health: {interval: 1s}", ["health"]],
    ["cache: {ttl: 1s, max_bytes: 1MiB}", ["cache.ttl", "cache.max_bytes"]],
    ["cache: {mode: all}", []],
    ["observability: {logging: {level: debug}}", ["observability"]],
    ["unsupported_fields: require", []],
  ] as const) {
    const names = new Set(change.split("\n").map((line) => line.split(":")[0]));
    const rest = base.split("\n").filter((line) => !names.has(line.split(":")[0]));
    test(`${JSON.stringify(change)}: ${paths.join(", ") || "nothing"}`, () => {
      expect(restartNeeded(before(), settingsOf([...rest, change].join("\n"), environment))).toEqual(paths);
    });
  }

  test("another admin token, of which nothing is shown", () => {
    expect(restartNeeded(before(), settingsOf(base, { ...environment, TOKEN: "another-token-0123456789" }))).toEqual(["admin.token"]);
  });
});

describe("two configurations are the same", () => {
  test("when they are", () => expect(sameSettings(settingsOf(base, environment), settingsOf(base, environment))).toBe(true));

  for (const name of ["TOKEN", "TEAM", "KEY"] as const) {
    test(`and are not where the value of ${name} is another`, () => {
      const other = settingsOf(base, { ...environment, [name]: `${environment[name]}-rotated` });
      expect(sameSettings(settingsOf(base, environment), other)).toBe(false);
    });
  }
});

describe("a reload", () => {
  function scene(initial: Loaded, next: () => Loaded | Refused, problems: Refused["problems"] = []) {
    const heard: unknown[] = [];
    const reloader = createReloader(initial, next, {
      log: {
        error: (fields) => heard.push(["error", fields]),
        warn: (fields) => heard.push(["warn", fields]),
        info: (fields) => heard.push(["info", fields]),
      },
      metrics: { reloaded: (result) => heard.push(result) },
      apply: ({ revision }) => {
        heard.push(["apply", revision]);
        return problems;
      },
    });
    return { reloader, heard };
  }
  const firstOf = () => loaded(base, environment);

  test("of a file that has become empty or is gone is refused; who began with none may go on with none", async () => {
    const { reloader, heard } = scene(firstOf(), () => loaded("", environment));
    expect(await reloader.reload()).toMatchObject({ kind: "refused", problems: [{ path: "" }] });
    expect(heard).not.toContainEqual(["apply", expect.anything()]);
    const bare = scene(loaded("", environment), () => loaded("", environment));
    expect(await bare.reloader.reload()).toMatchObject({ kind: "applied", changed: false });
  });

  test("of the same is unchanged, and applied all the same", async () => {
    const first = firstOf();
    const { reloader, heard } = scene(first, () => loaded(base, environment));
    expect(await reloader.reload()).toEqual({ kind: "applied", revision: first.revision, changed: false, restartNeeded: [] });
    expect(heard).toEqual([
      ["apply", first.revision],
      "unchanged",
      ["info", { revision: first.revision, changed: false, restart_needed: [] }],
    ]);
  });

  test("of other text is applied, and says what waits for a restart", async () => {
    const first = firstOf();
    const next = loaded(base.replace("9000", "9001"), environment);
    const { reloader, heard } = scene(first, () => next);
    expect(await reloader.reload()).toEqual({ kind: "applied", revision: next.revision, changed: true, restartNeeded: ["server.port"] });
    expect(heard).toContain("applied");
    expect(reloader.settings()).toBe(next.settings);
    expect(await reloader.reload()).toMatchObject({ changed: false, restartNeeded: ["server.port"] });
  });

  test("of a file that deserves a warning tells it once", async () => {
    const next = loaded(base.replace("providers: {", "providers: {ollama: , "), environment);
    const { reloader, heard } = scene(firstOf(), () => next);
    await reloader.reload();
    await reloader.reload();
    const warnings = heard.filter((each) => Array.isArray(each) && each[0] === "warn");
    expect(warnings).toEqual([["warn", { path: "providers.ollama", problem: expect.stringContaining("warning: is empty") }]]);
  });

  test("under a secret that was rotated is a change, though the text is the same", async () => {
    const first = firstOf();
    const { reloader, heard } = scene(first, () => loaded(base, { ...environment, KEY: "sk-two" }));
    expect(await reloader.reload()).toMatchObject({ kind: "applied", revision: first.revision, changed: true });
    expect(heard).toContain("applied");
  });

  test("that the house itself refuses changes nothing either", async () => {
    const first = firstOf();
    const refused = load("server: {port: many}");
    const { reloader, heard } = scene(first, () => loaded("server: {port: 9001}"), refused.kind === "refused" ? refused.problems : []);
    expect(await reloader.reload()).toMatchObject({ kind: "refused", problems: [{ path: "server.port" }] });
    expect(heard).toContain("refused");
    expect(reloader.settings()).toBe(first.settings);
  });

  test("of a bad configuration changes nothing, and says each problem", async () => {
    const first = firstOf();
    const { reloader, heard } = scene(first, () => {
      const result = load("server: {port: many}\nprovidres: {}", environment);
      if (result.kind === "loaded") throw new Error("it should have been refused");
      return result;
    });
    const outcome = await reloader.reload();
    expect(outcome).toMatchObject({
      kind: "refused",
      problems: expect.arrayContaining([expect.objectContaining({ path: "server.port" })]),
    });
    expect(outcome.kind === "refused" && outcome.problems.every(({ description }) => /^config\.yaml:\d+:\d+ /.test(description))).toBe(
      true,
    );
    expect(heard[0]).toBe("refused");
    expect(heard.filter((each) => Array.isArray(each) && each[0] === "apply")).toEqual([]);
    expect(reloader.settings()).toBe(first.settings);
  });
});
