import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { type BrowserRequest, createBrowserRule, isAdminPath } from "../../src/server/browsers.ts";

const plain: BrowserRequest = {
  origin: undefined,
  fetchSite: undefined,
  host: "127.0.0.1:8080",
  localAddress: "127.0.0.1",
  path: "/v1/chat/completions",
};
const closed = createBrowserRule([]);
const listed = createBrowserRule(["https://app.example"]);
const open = createBrowserRule(["*"]);

function admits(rule: typeof closed, request: Partial<BrowserRequest>): boolean {
  try {
    rule.admit({ ...plain, ...request });
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ChatError);
    expect(error).toMatchObject({ failure: "CALLER_FORBIDDEN" });
    return false;
  }
}

const remote = { host: "llm.example", localAddress: "10.0.0.1" };
const table: readonly [what: string, rule: typeof closed, request: Partial<BrowserRequest>, admitted: boolean][] = [
  ["no browser at all", closed, {}, true],
  ["our own page", closed, { origin: "http://127.0.0.1:8080", fetchSite: "same-origin" }, true],
  ["our own page by another loopback name", closed, { origin: "http://localhost:8080", host: "localhost:8080" }, true],
  ["our own page behind TLS", closed, { ...remote, origin: "https://llm.example" }, true],
  ["a foreign page", closed, { origin: "https://evil.example" }, false],
  ["another port of this machine", closed, { origin: "http://127.0.0.1:3000" }, false],
  ["an opaque origin", closed, { origin: "null" }, false],
  ["an opaque origin where all are allowed", open, { origin: "null" }, true],
  ["a name that was rebound to loopback", closed, { origin: "http://evil.example:8080", host: "evil.example:8080" }, false],
  ["an allowed page", listed, { origin: "https://app.example", fetchSite: "cross-site" }, true],
  ["an allowed page's other scheme", listed, { origin: "http://app.example" }, false],
  ["an allowed page's subdomain", listed, { origin: "https://x.app.example" }, false],
  ["any page where all are allowed", open, { origin: "https://x.example", fetchSite: "cross-site" }, true],
  ["a cross-site request without an origin", closed, { fetchSite: "cross-site" }, false],
  ["a cross-site request without an origin where all are allowed", open, { fetchSite: "cross-site" }, false],
  ["a request of the same site without an origin", closed, { fetchSite: "same-site" }, true],
  ["an allowed page at an admin door", listed, { origin: "https://app.example", path: "/admin/policy" }, false],
  ["any page at the AdminService", open, { origin: "https://x.example", path: "/semaroute.v1.AdminService/GetStats" }, false],
  ["our own page at an admin door", closed, { origin: "http://127.0.0.1:8080", path: "/admin/policy" }, true],
];
test.each(table)("%s: admitted or not", (_what, rule, request, admitted) => {
  expect(admits(rule, request)).toBe(admitted);
});

describe("CORS", () => {
  const fromApp = { ...plain, origin: "https://app.example" };

  test("an allowed origin may read the answer, and caches are told that it depends on the origin", () => {
    const headers = new Map(listed.headers(fromApp));
    expect(headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(headers.get("vary")).toBe("Origin");
    for (const name of [
      "grpc-status",
      "grpc-status-details-bin",
      "x-request-id",
      "x-semaroute-provider",
      "retry-after-ms",
      "server-timing",
    ])
      expect(headers.get("access-control-expose-headers")?.toLowerCase().split(", ")).toContain(name);
  });
  test("a star is answered with a star", () => {
    expect(new Map(open.headers(fromApp)).get("access-control-allow-origin")).toBe("*");
  });
  test("nothing allowed, nothing said", () => {
    expect(closed.headers(fromApp)).toEqual([]);
    expect(closed.preflight(fromApp, undefined)).toEqual([]);
  });
  test("others and admin doors get no permission", () => {
    expect(listed.headers({ ...plain, origin: "https://evil.example" })).toEqual([["vary", "Origin"]]);
    expect(listed.headers({ ...fromApp, path: "/admin/policy" })).toEqual([["vary", "Origin"]]);
    expect(new Map(open.preflight({ ...fromApp, path: "/admin/policy" }, "authorization")).has("access-control-allow-headers")).toBe(false);
  });
  test("a preflight is granted what it asks for", () => {
    const headers = new Map(listed.preflight(fromApp, "authorization,x-stainless-os, x-anything"));
    expect(headers.get("access-control-allow-headers")).toBe("authorization, x-stainless-os, x-anything");
    expect(headers.get("access-control-allow-methods")).toBe("POST, GET, HEAD");
    expect(headers.get("access-control-max-age")).toBe("7200");
  });
  for (const requested of [undefined, "", "a b", "x\r\nset-cookie: y", "x".repeat(5000)]) {
    test(`a preflight that asks for ${JSON.stringify(requested?.slice(0, 20))} gets the usual names`, () => {
      const names = new Map(listed.preflight(fromApp, requested)).get("access-control-allow-headers")?.split(", ");
      for (const name of ["authorization", "x-api-key", "Content-Type", "Connect-Protocol-Version", "X-Grpc-Web", "x-semaroute-timeout-ms"])
        expect(names?.map((each) => each.toLowerCase())).toContain(name.toLowerCase());
      expect(names?.join("")).not.toContain("set-cookie");
    });
  }
  test("the admin doors are known by their paths", () => {
    expect(["/admin", "/admin/x", "/semaroute.v1.AdminService/X"].map(isAdminPath)).toEqual([true, true, true]);
    expect(["/administrator", "/v1/models", "/semaroute.v1.RouterService/Chat"].map(isAdminPath)).toEqual([false, false, false]);
  });
});
