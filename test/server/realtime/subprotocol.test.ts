import { describe, expect, test } from "vitest";
import { chosenProtocol, keyFromProtocols, offeredProtocols } from "../../../src/server/realtime/subprotocol.ts";

describe("subprotocols", () => {
  test.each([
    { header: undefined, names: [] },
    { header: "semaroute.key.sk-1", names: ["semaroute.key.sk-1"] },
    { header: "a , b,c", names: ["a", "b", "c"] },
  ])("$header is a list of names", ({ header, names }) => {
    expect(offeredProtocols(header)).toEqual(names);
  });

  test.each(["", "a,,b", "a,a", "a b", "semaroute.key.ä", "a/b"])("%j is none", (header) => {
    expect(() => offeredProtocols(header)).toThrow("header sec-websocket-protocol is not a list of different names");
  });

  test.each([
    { names: ["semaroute.key.sk-1"], key: "sk-1", chosen: "semaroute.key.sk-1" },
    { names: ["chat", "semaroute.key.sk-1"], key: "sk-1", chosen: "semaroute.key.sk-1" },
    { names: ["semaroute.key.sk-1", "semaroute.v1"], key: "sk-1", chosen: "semaroute.v1" },
    { names: ["semaroute.v1"], key: undefined, chosen: "semaroute.v1" },
    { names: ["semaroute.key."], key: "", chosen: "semaroute.key." },
    { names: ["chat", "realtime"], key: undefined, chosen: false },
    { names: [], key: undefined, chosen: false },
  ])("$names hold the key $key, and $chosen is answered", ({ names, key, chosen }) => {
    expect([keyFromProtocols(names), chosenProtocol(names)]).toEqual([key, chosen]);
  });

  test("two keys are refused", () => {
    expect(() => keyFromProtocols(["semaroute.key.a", "semaroute.key.b"])).toThrow("more than one key");
  });
});
