import { createCipheriv } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Batch, partStarted, usageOf } from "../../../src/core/chat.ts";
import { decodeEntry, encodeEntry, type Entry } from "../../../src/stores/redis/entry.ts";
import { closed, completed, embedded, finished, opened, said, started, whole } from "../../stages/support.ts";

const name = "semaroute:cache:1:tenant:{request}";

function entryOf(batches: readonly Batch[]): Entry {
  return { target: "openai/small", batches, bytes: 1234, purges: "a.b", expiresWall: 1_700_000_000_000 };
}

async function encoded(entry: Entry, under = name): Promise<Buffer> {
  const bytes = await encodeEntry(under, entry);
  if (bytes === undefined) throw new Error("it is too large");
  return bytes;
}

const tool = partStarted(0, 1, {
  $typeName: "semaroute.v1.ContentPart",
  part: {
    case: "toolCall",
    value: { $typeName: "semaroute.v1.ToolCallPart", id: "call_1", name: "look", argumentsJson: '{"a":1}', custom: false } as never,
  },
  opaque: [{ $typeName: "semaroute.v1.Opaque", issuer: "openai", data: Uint8Array.of(0, 255, 7) } as never],
  extensionsJson: { "openai.x": '{"kept":[1e400]}' },
});

test.each<[string, readonly Batch[]]>([
  [
    "a stream, in its batches",
    [[started, opened], [said("Hel"), said("lo ")], [said("wörld \u{1F600}")], [tool], [closed, finished(), completed(usageOf(3, 4))]],
  ],
  ["a whole answer", [[whole("Hello", usageOf(1, 2))]]],
  [
    "vectors",
    [
      [
        embedded(
          [
            [0.1, -0.2],
            [Number.MIN_VALUE, 3],
          ],
          usageOf(5, 0),
        ),
      ],
    ],
  ],
  ["a long answer, which is packed", [[whole("All work and no play. ".repeat(2000))]]],
])("%s comes back as it was", async (_what, batches) => {
  const before = entryOf(batches);
  const after = decodeEntry(name, await encoded(before));
  expect(after?.batches.map((batch) => batch.length)).toEqual(batches.map((batch) => batch.length));
  // Twice, for messages may hold the same in other objects.
  expect(await encoded(after ?? before)).toEqual(await encoded(before));
  expect(after).toMatchObject({ target: "openai/small", bytes: 1234, purges: "a.b", expiresWall: 1_700_000_000_000 });
});

test("a long answer takes less room than it has text", async () => {
  expect((await encoded(entryOf([[whole("All work and no play. ".repeat(2000))]]))).length).toBeLessThan(1000);
});

test("an answer that would take more than 1 MiB is no entry", async () => {
  // What a cipher gives cannot be packed, and is the same each time.
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  const noise = cipher.update(Buffer.alloc(1_100_000)).toString("base64");
  expect((await encodeEntry(name, entryOf([[whole(noise)]]))) === undefined).toBe(true);
});

test("C06: an entry of which any byte is another, or some are missing or too many, is none", async () => {
  const good = await encoded(
    entryOf([
      [started, opened],
      [said("Hello"), closed],
      [finished(), completed()],
    ]),
  );
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = Buffer.from(good);
      bad[at] = (good[at] ?? 0) ^ change;
      expect(decodeEntry(name, bad)).toBeUndefined();
    }),
  );
  for (let length = 0; length < good.length; length++) expect(decodeEntry(name, good.subarray(0, length))).toBeUndefined();
  expect(decodeEntry(name, Buffer.concat([good, Buffer.of(0)]))).toBeUndefined();
});

test("C06: an entry of a version to come, or that was kept under another name, is none", async () => {
  const good = await encoded(entryOf([[whole("Hello")]]));
  expect(decodeEntry(name, good)).toBeDefined();
  expect(decodeEntry(name.replace("tenant", "other"), good)).toBeUndefined();
  const newer = Buffer.from(good);
  newer[0] = 2;
  expect(decodeEntry(name, newer)).toBeUndefined();
});
