import { describe, expect, test } from "vitest";

import { CacheMode, usageOf, CacheStatus, note, TranslationAction } from "../../src/core/chat.ts";
import { callHeaders, costHeaders, sourceHeaders, timingHeader } from "../../src/server/answer-headers.ts";
import { chatErrorFromAbort } from "../../src/server/rpc/abort.ts";
import { applyWishes, wishesFrom } from "../../src/server/wishes.ts";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatError } from "../../src/core/error.ts";
import { callOf, recordOf, snapshotOf, sourceOf, targetOf } from "../stages/support.ts";
import { chatRequest } from "../support/attempt.ts";

const read = (headers: Readonly<Record<string, string>>) => wishesFrom((name) => headers[name]);
const parent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

describe("headers are read", () => {
  for (const [headers, wishes] of [
    [
      {},
      {
        requestId: undefined,
        timeoutMs: undefined,
        tags: undefined,
        affinity: undefined,
        cache: CacheMode.UNSPECIFIED,
        traceparent: undefined,
      },
    ],
    [{ "x-request-id": "Aa9._:-" }, { requestId: "Aa9._:-" }],
    [{ "x-request-id": "x".repeat(128) }, { requestId: "x".repeat(128) }],
    [{ "x-request-id": "x".repeat(129) }, { requestId: undefined }],
    [{ "x-request-id": "no spaces" }, { requestId: undefined }],
    [{ "x-semaroute-timeout-ms": "1" }, { timeoutMs: 1 }],
    [{ "x-semaroute-timeout-ms": "999999999999" }, { timeoutMs: 999_999_999_999 }],
    [
      { "x-semaroute-tags": "team=a, tier = gold ,x=a=b,y=" },
      {
        tags: new Map([
          ["team", "a"],
          ["tier", "gold"],
          ["x", "a=b"],
          ["y", ""],
        ]),
      },
    ],
    [{ "x-semaroute-affinity": "x".repeat(256) }, { affinity: "x".repeat(256) }],
    [{ traceparent: parent }, { traceparent: parent }],
    [{ traceparent: `01${parent.slice(2)}-more` }, { traceparent: `01${parent.slice(2)}-more` }],
    [{ "x-semaroute-cache": "use" }, { cache: CacheMode.USE }],
    [{ "cache-control": "no-cache" }, { cache: CacheMode.REFRESH }],
    [{ "cache-control": "No-Store, no-cache" }, { cache: CacheMode.BYPASS }],
    [{ "cache-control": "max-age=0, no-cache" }, { cache: CacheMode.REFRESH }],
    [{ "cache-control": "max-age=0" }, { cache: CacheMode.UNSPECIFIED }],
    [{ "cache-control": "no-store", "x-semaroute-cache": "use" }, { cache: CacheMode.BYPASS }],
  ] as const) {
    test(JSON.stringify(headers).slice(0, 60), () => expect(read(headers)).toMatchObject(wishes));
  }
});

describe("a malformed header is refused by its name", () => {
  for (const [name, values] of Object.entries({
    "x-semaroute-timeout-ms": ["", "0", "000", "-1", "1.5", "1e3", "soon", "1234567890123", " 1"],
    "x-semaroute-tags": [
      "",
      "a",
      "=a",
      "a=1,,b=2",
      "a=1,a=2",
      `${"x".repeat(65)}=1`,
      `a=${"x".repeat(257)}`,
      Array.from({ length: 17 }, (_, i) => `t${i}=1`).join(","),
    ],
    "x-semaroute-affinity": ["", "x".repeat(257)],
    "x-semaroute-cache": ["", "yes", "USE"],
    traceparent: [
      "",
      "garbage",
      parent.toUpperCase(),
      `00-${"0".repeat(32)}-${"b".repeat(16)}-01`,
      `00-${"a".repeat(32)}-${"0".repeat(16)}-01`,
      `${parent}x`,
      `${parent}-more`,
      `ff${parent.slice(2)}`,
    ],
  })) {
    for (const value of values) {
      test(`${name}: ${JSON.stringify(value).slice(0, 40)}`, () => {
        expect(() => read({ [name]: value })).toThrow(
          expect.objectContaining({ failure: "INVALID_REQUEST", field: name, message: expect.stringContaining(`header ${name} `) }),
        );
      });
    }
  }
});

describe("wishes go into the request", () => {
  test("none leaves it as it is", () => {
    const request = chatRequest("hi");
    applyWishes(request, read({ "x-request-id": "r", "x-semaroute-timeout-ms": "5" }));
    expect(request).toEqual(chatRequest("hi"));
  });

  test("a header wins over the request's own field, tag by tag, and the rest stays", () => {
    const request = chatRequest("hi", { routing: { tags: { a: "1", b: "2" }, affinityKey: "own", cache: CacheMode.USE, maxAttempts: 2 } });
    applyWishes(request, read({ "x-semaroute-tags": "b=3,c=4", "x-semaroute-affinity": "header", "cache-control": "no-store" }));
    expect(request.routing).toMatchObject({
      tags: { a: "1", b: "3", c: "4" },
      affinityKey: "header",
      cache: CacheMode.BYPASS,
      maxAttempts: 2,
    });
  });

  test("a request without any gets some, equal to those a message would have", () => {
    const request = chatRequest("hi");
    applyWishes(request, read({ "x-semaroute-cache": "use" }));
    expect(request.routing).toEqual(chatRequest("hi", { routing: { cache: CacheMode.USE } }).routing);
  });
});

describe("headers of an answer", () => {
  const target = targetOf("up/gpt");
  const call = callOf(undefined, { receivedMs: 100, snapshot: snapshotOf([target]) });

  test("tell the decision, the policy and the source", () => {
    const source = sourceOf({ target, cache: CacheStatus.MISS, attempts: [recordOf(), recordOf()] });
    expect(Object.fromEntries([...callHeaders(call), ...sourceHeaders(source)])).toEqual({
      "x-semaroute-decision": call.id,
      "x-semaroute-policy": "rev-1",
      "x-semaroute-provider": "up",
      "x-semaroute-model": "gpt-upstream",
      "x-semaroute-attempts": "2",
      "x-semaroute-cache": "miss",
    });
    for (const [status, word] of [
      ["HIT", "hit"],
      ["BYPASS", "bypass"],
      ["UNSPECIFIED", "bypass"],
    ] as const) {
      expect(sourceHeaders(sourceOf({ cache: CacheStatus[status] }))).toContainEqual(["x-semaroute-cache", word]);
    }
  });

  test("tell what was changed, twenty at most, and hold nothing a header must not", () => {
    const notes = Array.from({ length: 22 }, (_, i) =>
      note(`tools[${i}].ünï\r\nx`, i === 0 ? TranslationAction.CLAMPED : TranslationAction.DROPPED, "why"),
    );
    const text = new Map(sourceHeaders(sourceOf({ target: targetOf("up/gpt", { upstreamModel: "mödel\r\nset-cookie: x" }), notes })));
    expect(text.get("x-semaroute-notes")).toMatch(/^clamped:tools\[0\]\.\?n\?\?\?x, dropped:tools\[1\].*, and 2 more$/);
    expect(text.get("x-semaroute-model")).toBe("m?del??set-cookie: x");
  });

  test("tell the cost where it is known, exactly", () => {
    expect(costHeaders({ ...usageOf(1, 1), costPicoUsd: 435_000_001n })).toEqual([["x-semaroute-cost-usd", "0.000435000001"]]);
    expect(costHeaders(usageOf(1, 1))).toEqual([]);
    expect(costHeaders(undefined)).toEqual([]);
  });

  test("tell our own time: until now, less the upstream's", () => {
    const attempts = [recordOf({ startMs: 110, endMs: 150 }), recordOf({ startMs: 150, firstContentMs: 190, endMs: undefined })];
    const [name, value] = timingHeader(call, sourceOf({ attempts }), 200);
    expect([name, value]).toEqual(["server-timing", "semaroute;dur=10.000"]);
  });
});

describe("why an RPC was given up", () => {
  const own = new ChatError("DRAINING", "going away");
  for (const [what, reason, failure] of [
    ["our own reason", own, "DRAINING"],
    ["the deadline", new ConnectError("late", Code.DeadlineExceeded), "DEADLINE_EXCEEDED"],
    ["a cancel", new ConnectError("left", Code.Canceled), "CANCELLED"],
    ["a broken socket", new Error("ECONNRESET"), "CANCELLED"],
    ["nothing known", undefined, "CANCELLED"],
  ] as const) {
    test(`${what} is ${failure}`, () =>
      expect(chatErrorFromAbort(reason, () => new ChatError("CANCELLED", "the caller left"))).toMatchObject({ failure }));
  }
});
