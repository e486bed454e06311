import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { describe, expect, test } from "vitest";

import { guardedLookup, mayCall, namesInside } from "../../../src/providers/wire/egress.ts";

describe("names", () => {
  for (const [host, inside] of [
    ["localhost", true],
    ["localhost.", true],
    ["ollama", true],
    ["model-server", true],
    ["api.localhost", true],
    ["printer.local", true],
    ["metadata.google.internal", true],
    ["llm.internal.", true],
    ["LLM.INTERNAL", true],
    ["box.lan", true],
    ["nas.home.arpa", true],
    ["vllm.models.svc", true],
    ["vllm.models.svc.cluster.local", true],
    ["api.openai.com", false],
    ["api.openai.com.", false],
    ["localhost.example.com", false],
    ["internal.example.com", false],
    ["mylocal", true],
    ["example.notlocal", false],
    ["127.0.0.1.nip.io", false],
  ] as const) {
    test(`${host} is ${inside ? "" : "not "}a name of an inside network`, () => expect(namesInside(host)).toBe(inside));
  }
});

describe("addresses", () => {
  for (const [address, outside, inside] of [
    // Public.
    ["1.1.1.1", true, true],
    ["8.8.8.8", true, true],
    ["172.15.255.255", true, true],
    ["172.32.0.1", true, true],
    ["100.63.255.255", true, true],
    ["100.128.0.1", true, true],
    ["2606:4700:4700::1111", true, true],
    ["::ffff:8.8.8.8", true, true],
    // Public, from a network that has IPv6 only.
    ["64:ff9b::8.8.8.8", true, true],
    ["64:ff9b::101:101", true, true],
    // Inside networks: only for names of one.
    ["64:ff9b::10.0.0.1", false, true],
    ["64:ff9b::c0a8:101", false, true],
    ["::127.0.0.1", false, true],
    ["0:0:0:0:0:0:0:1", false, true],
    ["0:0:0:0:0:ffff:7f00:0001", false, true],
    ["::FFFF:192.168.0.1", false, true],
    ["fd00:ec2::253", false, true],
    ["FD00::1", false, true],
    ["192.0.0.191", false, true],
    ["10.0.0.1", false, true],
    ["10.255.255.255", false, true],
    ["172.16.0.1", false, true],
    ["172.31.255.255", false, true],
    ["192.168.1.1", false, true],
    ["127.0.0.1", false, true],
    ["127.255.255.254", false, true],
    ["100.64.0.1", false, true],
    ["100.127.255.255", false, true],
    ["192.0.0.1", false, true],
    ["198.18.0.1", false, true],
    ["198.19.255.255", false, true],
    ["::1", false, true],
    ["fc00::1", false, true],
    ["fd12:3456::1", false, true],
    ["::ffff:7f00:1", false, true],
    ["::ffff:127.0.0.1", false, true],
    ["::ffff:10.1.2.3", false, true],
    ["64:ff9b::7f00:1", false, true],
    // Never.
    ["64:ff9b::169.254.169.254", false, false],
    ["64:ff9b::6464:64c8", false, false],
    ["64:ff9b::0.0.0.0", false, false],
    ["64:ff9b:1::7f00:1", false, false],
    ["::169.254.169.254", false, false],
    ["::ffff:0:127.0.0.1", false, false],
    ["::ffff:0.0.0.0", false, false],
    ["::ffff:100.100.100.200", false, false],
    ["2002:7f00:1::", false, false],
    ["2002:a9fe:a9fe::1", false, false],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", false, false],
    ["fec0::1", false, false],
    ["fe80::1%eth0", false, false],
    ["::1%lo", false, true],
    ["192.0.0.192", false, false],
    ["168.63.129.16", false, false],
    // Not addresses as a name server writes them: nobody guesses at what they may mean.
    ["127.1", false, false],
    ["2130706433", false, false],
    ["0x7f000001", false, false],
    ["0177.0.0.1", false, false],
    ["127.0.0.1.", false, false],
    ["[::1]", false, false],
    ["127.0.0.1:80", false, false],
    ["", false, false],
    ["169.254.169.254", false, false],
    ["169.254.0.1", false, false],
    ["::ffff:169.254.169.254", false, false],
    ["::ffff:a9fe:a9fe", false, false],
    ["64:ff9b::a9fe:a9fe", false, false],
    ["fd00:ec2::254", false, false],
    ["fe80::1", false, false],
    ["100.100.100.200", false, false],
    ["0.0.0.0", false, false],
    ["0.1.2.3", false, false],
    ["::", false, false],
    ["224.0.0.1", false, false],
    ["239.255.255.255", false, false],
    ["255.255.255.255", false, false],
    ["ff02::1", false, false],
    ["not an address", false, false],
  ] as const) {
    test(`${address}: ${outside ? "anyone" : inside ? "inside names only" : "never"}`, () => {
      expect([mayCall("api.openai.com", address), mayCall("ollama", address)]).toEqual([outside, inside]);
    });
  }
});

/** Looks `host` up where the name server answers `found`. */
function lookedUp(host: string, found: readonly string[] | Error, all: boolean): Promise<unknown> {
  const resolve = ((_host: string, options: { all?: boolean }, callback: (error: Error | null, found: LookupAddress[]) => void) => {
    expect(options.all).toBe(true);
    if (found instanceof Error) callback(found, []);
    else
      callback(
        null,
        found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
  }) as Parameters<typeof guardedLookup>[1];
  const lookup: LookupFunction = guardedLookup("provider up", resolve);
  return new Promise((done, fail) => {
    lookup(host, { all }, (error, address, family) => {
      if (error === null) done(family === undefined ? address : [address, family]);
      else fail(error);
    });
  });
}

describe("a look-up", () => {
  test("hands on the very addresses it checked, and no other", async () => {
    const found = ["169.254.169.254", "8.8.8.8", "10.0.0.1", "2606:4700::1"];
    expect(await lookedUp("api.openai.com", found, true)).toEqual([
      { address: "8.8.8.8", family: 4 },
      { address: "2606:4700::1", family: 6 },
    ]);
    expect(await lookedUp("api.openai.com", found, false)).toEqual(["8.8.8.8", 4]);
    expect(await lookedUp("ollama", ["169.254.169.254", "10.0.0.1"], false)).toEqual(["10.0.0.1", 4]);
  });

  for (const [host, found] of [
    ["api.openai.com", ["127.0.0.1", "::1", "10.0.0.1"]],
    ["metadata.google.internal", ["169.254.169.254"]],
    ["api.openai.com", []],
  ] as const) {
    test(`refuses ${host} at ${found.join(", ") || "no address"}`, async () => {
      await expect(lookedUp(host, found, true)).rejects.toMatchObject({
        failure: "UPSTREAM_UNAVAILABLE",
        message: "the host name of provider up leads to an address that is not allowed",
      });
    });
  }

  test("passes the name server's no on", async () => {
    const no = Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    await expect(lookedUp("api.openai.com", no, true)).rejects.toBe(no);
  });
});
