import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type PolicyRevision, PolicyRevisionSchema } from "../../src/core/chat.ts";
import { memoryPolicies } from "../../src/workers/lent-store.ts";

const revision = (number: bigint): PolicyRevision => create(PolicyRevisionSchema, { number, revision: `r${number}` });

test("policies in memory change only on the basis that holds, and no number is given twice", async () => {
  const policies = memoryPolicies();
  expect(await policies.mark()).toBeUndefined();
  const first = { revisions: [revision(1n)], active: 1n, canary: undefined, fileText: "a" };
  expect(await policies.replace(first, undefined)).toBe(true);
  expect(await policies.replace(first, undefined)).toBe(false);
  const basis = await policies.mark();
  expect(basis).toEqual({ newest: 1n, active: 1n, canary: undefined });
  const canary = { revisions: [revision(2n)], active: 1n, canary: 2n, fileText: "a" };
  expect(await policies.replace(canary, basis)).toBe(true);
  expect(await policies.replace({ ...canary, revisions: [revision(3n)], canary: 3n }, basis)).toBe(false);
  expect(await policies.replace({ ...canary, revisions: [], canary: undefined }, await policies.mark())).toBe(true);
  expect((await policies.load())?.revisions.map(({ number }) => number)).toEqual([2n, 1n]);
  expect(await policies.replace({ ...first, revisions: [revision(2n)], active: 2n }, await policies.mark())).toBe(false);
});
