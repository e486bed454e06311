import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";

import { ChatRequestSchema, Priority } from "../../src/core/chat.ts";
import { priorityOf } from "../../src/core/overload.ts";
import { callOf } from "../stages/support.ts";

const { UNSPECIFIED, LOW, NORMAL, HIGH } = Priority;

test.each([
  { key: NORMAL, wished: undefined, counts: NORMAL },
  { key: HIGH, wished: UNSPECIFIED, counts: HIGH },
  { key: HIGH, wished: NORMAL, counts: NORMAL },
  { key: HIGH, wished: LOW, counts: LOW },
  { key: NORMAL, wished: HIGH, counts: NORMAL },
  { key: LOW, wished: HIGH, counts: LOW },
  { key: UNSPECIFIED, wished: UNSPECIFIED, counts: NORMAL },
  { key: UNSPECIFIED, wished: HIGH, counts: NORMAL },
])("a call of a key of priority $key that asks for $wished counts as $counts", ({ key, wished, counts }) => {
  const call = callOf();
  const request = create(ChatRequestSchema, wished === undefined ? {} : { routing: { priority: wished } });
  expect(priorityOf({ key: { ...call.key, priority: key }, request })).toBe(counts);
});
