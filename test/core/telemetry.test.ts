import { expect, test } from "vitest";

import type { Call } from "../../src/core/call.ts";
import { type CallRecord, refusalTeller, type RefusedRequest, sheltered } from "../../src/core/telemetry.ts";

const bug = new Error("a bug of ours");
const boom = (): never => {
  throw bug;
};

test("an observer that throws is told on, and harms nobody", () => {
  const bugs: unknown[] = [];
  const observer = sheltered({ began: boom, ended: boom }, (thrown) => bugs.push(thrown));
  observer.began({} as Call);
  observer.ended({} as CallRecord);
  expect(bugs).toEqual([bug, bug]);
});

test("an observer that does not throw hears everything as it is", () => {
  const heard: unknown[] = [];
  const observer = sheltered({ began: (call) => heard.push(call), ended: (record) => heard.push(record) }, boom);
  const call = {} as Call;
  const record = {} as CallRecord;
  observer.began(call);
  observer.ended(record);
  expect(heard[0]).toBe(call);
  expect(heard[1]).toBe(record);
});

test("who hears of refused requests hears of them whatever others do", () => {
  const heard: unknown[] = [];
  const refused = {} as RefusedRequest;
  refusalTeller([{ refused: boom }, { refused: (request) => heard.push(request) }], (thrown) => heard.push(thrown))(refused);
  expect(heard).toEqual([bug, refused]);
});
