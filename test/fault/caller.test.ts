/** K08 to K26: what callers send that nobody should, at the wire of a running server. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClients } from "../e2e/doors.ts";
import { raw } from "./caller-socket.ts";
import { bodyFaults, maxBody, type Told } from "./caller-bodies.ts";
import { model, requestFaults } from "./caller-requests.ts";
import { allWays, askRaw, isRest, type Protocol, type RawEnd } from "./caller-wire.ts";
import { canaries, expectNoCanary, expectNoSecret } from "./canaries.ts";
import { outcomes } from "./outcome.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, wellSaid } from "./scene.ts";

let scene: FaultScene;
beforeAll(async () => {
  scene = await createFaultScene({ faulty: [], shared: [model], serverSettings: `max_body: ${maxBody}` });
});
afterAll(() => scene[Symbol.asyncDispose]());

describe("bodies", () => {
  for (const { id, fault, sends, told } of bodyFaults) {
    for (const protocol of allWays) {
      if (sends(protocol, model) === undefined) continue;
      cell({ id, fault, protocol }, async () => {
        const question = sends(protocol, model);
        if (question === undefined) return;
        const asked = scene.healthy.requests.length;
        const expected = typeof told === "function" ? told(protocol) : told;
        expectTold(await askRaw(scene.url, protocol, question), expected, protocol);
        const wanted = "answered" in expected ? 1 : 0;
        expect(scene.healthy.requests.length - asked, "upstream calls").toBe(wanted);
      });
    }
  }
});

function expectTold(end: RawEnd, told: Told, protocol: Protocol): void {
  expectNoCanary(JSON.stringify(end.headers), "headers");
  if ("answered" in told) {
    expect([end.http, end.word, end.grpc], end.text).toEqual([200, "", isRest(protocol) ? undefined : 0]);
    expect(end.text).toContain(wellSaid);
    expectNoSecret(end.text, "an answer");
    return;
  }
  expectNoCanary(end.text, "an error");
  if ("http" in told) {
    expect([end.http, end.grpc], end.text).toEqual([told.http, told.grpc]);
    if (told.code !== undefined) expect(end.word).toBe(told.code);
    return;
  }
  const row = outcomes[told.reason];
  if (!isRest(protocol)) {
    expect([end.grpc, end.word], end.text).toEqual([row.grpc, told.reason]);
    return;
  }
  expect([end.http, end.word], end.text).toEqual([row.http, row.code]);
  expect(JSON.parse(end.text)).toMatchObject({ error: { type: row.type, ...(told.field !== undefined && { param: told.field }) } });
}

describe("requests", () => {
  for (const { id, fault, bytes, told, answers = 1, calls = 0, closes } of requestFaults) {
    cell({ id, fault, protocol: "HTTP/1.1" }, async () => {
      const asked = scene.healthy.requests.length;
      const seen = await raw(scene.server.port, bytes);
      expect(seen.text).toMatch(told);
      expect(seen.text.match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0, "answers").toBe(answers);
      if (closes === true) expect(seen.closedByServer, "the server closes the connection").toBe(true);
      expect(scene.healthy.requests.length - asked, "upstream calls").toBe(calls);
      for (const { head } of scene.healthy.requests.slice(asked)) expect(head).not.toMatch(/canary-spoof|203\.0\.113|criticality|x-fault/i);
      expectNoSecret(seen.text, "an answer");
    });
  }
});

describe("afterwards", () => {
  for (const door of doorClients) {
    cell({ id: "K08 to K26", fault: "after all this the door answers", protocol: door.name }, async () => {
      expect((await door.ask(scene.url, { model, content: canaries.prompt, headers: scene.headers })).text).toBe(wellSaid);
    });
  }
  cell(
    { id: "K08 to K26", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
    () => expectAllClean(scene, []),
    40_000,
  );
});
