import { inspect } from "node:util";

import { describe, expect, test } from "vitest";

import { load, loaded, problemsOf, settingsOf } from "./workspace.ts";

const endpointOf = (written: string, environment: Readonly<Record<string, string>>) =>
  settingsOf(`observability: {tracing: {endpoint: ${JSON.stringify(written)}}}\n`, environment).observability.tracing.endpoint;
const replyOf = (text: string, environment = {}) => settingsOf(text, environment).providers["simulated"]?.reply;
const keyOf = (text: string, environment = {}, files = {}) => settingsOf(text, environment, files).providers["openai"]?.api_key;

describe("variables in texts", () => {
  test.for([
    { written: "http://${HOST}:4318", environment: { HOST: "a" }, is: "http://a:4318" },
    { written: "http://${HOST:-b}:${PORT:-1}/x", environment: { PORT: "2" }, is: "http://b:2/x" },
    { written: "${URL:-http://c:1}", environment: {}, is: "http://c:1" },
    { written: "${URL:-http://c:1}", environment: { URL: "" }, is: "http://c:1" },
    { written: "${URL}", environment: { URL: "" }, is: "http://127.0.0.1:4318" },
  ])("$written with $environment is $is", ({ written, environment, is }) => expect(endpointOf(written, environment)).toBe(is));

  test("may stand in any scalar, numbers and flags included", () => {
    const settings = settingsOf("server:\n  port: ${PORT}\ncache:\n  enabled: ${CACHE:-false}\n", { PORT: "99" });
    expect([settings.server.port, settings.cache.enabled]).toEqual([99, false]);
  });

  test("are literal after a second dollar, and are not read twice", () => {
    expect(replyOf("providers: {simulated: {reply: 'text:$${A}'}}\n")).toEqual({ kind: "text", text: "${A}" });
    expect(replyOf("providers: {simulated: {reply: 'text:${A}'}}\n", { A: "${B}" })).toEqual({ kind: "text", text: "${B}" });
  });

  test("that are not set are no error in what is switched off", () => {
    expect(problemsOf('providers: {openai: {enabled: false, api_key: "${NOT_SET}"}, ollama: {}}\n')).toEqual([]);
    expect(problemsOf('providers: {openai: {enabled: "${ON:-false}", api_key: "${NOT_SET}"}, ollama: {}}\n')).toEqual([]);
    expect(
      problemsOf('providers: {openai: {api_key: "${NOT_SET}"}, ollama: {}}\n', { SEMAROUTE_PROVIDERS_OPENAI_ENABLED: "false" }),
    ).toEqual([]);
    expect(problemsOf('providers: {openai: {enabled: true, api_key: "${NOT_SET}"}}\n')).toHaveLength(1);
  });

  test("that are not set are each named", () => {
    const lines = problemsOf('admin: {token: "${A}"}\nproviders: {openai: {api_key: "${B}${C}"}}\n');
    expect(lines.map((line) => /variable (\w+) is not set/.exec(line)?.[1])).toEqual(["A", "B", "C"]);
  });

  test("never show their value in a message", () => {
    const lines = problemsOf('server:\n  port: "${KEY}"\n', { KEY: "sk-secret" });
    expect(lines).toEqual(["config.yaml:2:9 server.port: expected a whole number from 0 to 65535"]);
  });
});

describe("a secret knows where it comes from:", () => {
  test.for([
    { name: "a variable alone", text: 'providers: {openai: {api_key: "${K}"}}', source: "env:K", value: "from-env" },
    {
      name: "a variable with a default it did not need",
      text: 'providers: {openai: {api_key: "${K:-x}"}}',
      source: "env:K",
      value: "from-env",
    },
    { name: "the default", text: 'providers: {openai: {api_key: "${L:-x}"}}', source: "config", value: "x" },
    { name: "a variable and more", text: 'providers: {openai: {api_key: "a-${K}"}}', source: "config", value: "a-from-env" },
    { name: "the file", text: "providers: {openai: {api_key: 0123}}", source: "config", value: "0123" },
    { name: "a file of its own", text: "providers: {openai: {api_key_file: key.txt}}", source: "file:key.txt", value: "from-file" },
    { name: "the vendor's variable", text: "providers: {openai: {}}", source: "env:OPENAI_API_KEY", value: "usual" },
  ])("$name", ({ text, source, value }) => {
    const secret = keyOf(text, { K: "from-env", OPENAI_API_KEY: "usual" }, { "key.txt": "from-file\n" });
    expect([secret?.source, secret?.reveal()]).toEqual([source, value]);
  });

  test("and shows itself nowhere", () => {
    const result = loaded("providers: {openai: {api_key: sk-1234}}\nadmin: {token: tok-1234}\nstore: {url: 'memory:'}\n");
    const shown = JSON.stringify(result) + inspect(result, { depth: 10 }) + String(result.settings.admin.token);
    expect(shown).not.toContain("1234");
    expect(shown).not.toContain("memory:");
  });
});

describe("secrets in files", () => {
  test("work for keys, tokens and addresses", () => {
    const files = { "keys/a": "key-a\n", token: "tok", url: "memory:\n" };
    const settings = settingsOf(
      "admin: {token_file: token}\nauth: {keys: [{name: a, key_file: keys/a}]}\nstore: {url_file: url}\n",
      {},
      files,
    );
    expect([settings.admin.token?.reveal(), settings.auth.keys[0]?.key.reveal(), settings.store.url?.reveal()]).toEqual([
      "tok",
      "key-a",
      "memory:",
    ]);
  });

  test("work by variables too, and win over the file's value", () => {
    const files = { a: "from-a" };
    expect(settingsOf("admin: {token: x}\n", { SEMAROUTE_ADMIN_TOKEN_FILE: "a" }, files).admin.token?.reveal()).toBe("from-a");
    expect(settingsOf("admin: {token_file: a}\n", { SEMAROUTE_ADMIN_TOKEN: "y" }, files).admin.token?.reveal()).toBe("y");
  });

  test.for([
    { text: "admin: {token_file: none}", line: "1:21 admin.token_file: cannot be read: no such file" },
    { text: "admin: {token_file: empty}", line: "1:21 admin.token_file: empty is empty" },
    { text: "admin: {token: a, token_file: empty}", line: "1:19 admin.token_file: set together with token; only one of them may be" },
    { text: "admin: {token_file: two}", line: "1:21 admin.token: expected visible ASCII characters without spaces" },
    { text: "admin: {host_file: empty}", line: "1:9 admin.host_file: unknown setting; did you mean host?" },
    { text: "auth: {keys: [{name: a, key_file: none}]}", line: "1:35 auth.keys[0].key_file: cannot be read: no such file" },
  ])("are refused: $text", ({ text, line }) => {
    const lines = problemsOf(text, {}, { empty: "\n", two: "a\nb" });
    expect(lines[0]).toBe(`config.yaml:${line}`);
  });

  test("are not read for what is switched off", () => {
    expect(problemsOf("providers: {openai: {enabled: false, api_key_file: none}, ollama: {}}\n")).toEqual([]);
  });

  test("never show what they hold", () => {
    expect(JSON.stringify(load("redis: {url_file: u}\n", {}, { u: "http://pass-1234@x" }))).not.toContain("1234");
  });
});
