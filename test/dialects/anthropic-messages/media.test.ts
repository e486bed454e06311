import { describe, expect, test } from "vitest";
import type { Media } from "../../../src/core/chat.ts";
import { blocks, type PartInit, user, text } from "./builders.ts";
import { encode, thrownBy } from "./support.ts";

type Source = Media["source"];

const image = (source: Source, mimeType = ""): PartInit => ({ part: { case: "image", value: { media: { source, mimeType } } } });
const document = (
  source: Source,
  mimeType = "",
  more: { readonly title?: string; readonly context?: string; readonly citations?: boolean } = {},
): PartInit => ({
  part: { case: "document", value: { media: { source, mimeType }, ...more } },
});
const data = (value: Uint8Array<ArrayBuffer>): Source => ({ case: "data", value });
const url = (value: string): Source => ({ case: "url", value });
const file = (issuer: string): Source => ({ case: "file", value: { $typeName: "semaroute.v1.FileHandle", issuer, id: "file_1" } });

describe("media", () => {
  const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d]);
  const webp = Uint8Array.from([0x52, 0x49, 0x46, 0x46, 0, 0, 0, 0, 0x57, 0x45, 0x42, 0x50]);
  const pdf = new TextEncoder().encode("%PDF-1.7");

  test.each([
    {
      what: "png labelled jpeg",
      part: image(data(png), "image/jpeg"),
      source: { type: "base64", media_type: "image/png", data: "iVBORw0=" },
    },
    { what: "webp", part: image(data(webp)), source: { type: "base64", media_type: "image/webp" } },
    { what: "unknown bytes of a good label", part: image(data(pdf.subarray(1)), "image/gif"), source: { media_type: "image/gif" } },
    { what: "an image url", part: image(url("https://x.test/a.png")), source: { type: "url", url: "https://x.test/a.png" } },
    { what: "a pdf", part: document(data(pdf)), source: { type: "base64", media_type: "application/pdf" } },
    {
      what: "a text",
      part: document(data(new TextEncoder().encode("é")), "text/markdown"),
      source: { type: "text", media_type: "text/plain", data: "é" },
    },
    { what: "a document url", part: document(url("https://x.test/a.pdf")), source: { type: "url" } },
    { what: "a file of ours", part: document(file("anthropic")), source: { type: "file", file_id: "file_1" } },
  ])("$what is sent", ({ part, source }) => {
    expect(blocks([part])).toMatchObject([{ source }]);
  });

  test.each([
    { what: "a picture of an unknown kind", part: image(data(Uint8Array.from([1, 2, 3])), "image/tiff") },
    { what: "an http url", part: image(url("http://x.test/a.png")) },
    { what: "a file of another vendor", part: image(file("openai")) },
    { what: "a word document", part: document(data(png), "application/msword") },
    { what: "a text that is no utf-8", part: document(data(Uint8Array.from([0xff, 0xfe])), "text/plain") },
    { what: "audio", part: { part: { case: "audio", value: { media: { source: data(png) } } } } satisfies PartInit },
    { what: "video", part: { part: { case: "video", value: { media: { source: data(png) } } } } satisfies PartInit },
  ])("$what is an unsupported feature", ({ part }) => {
    const error = thrownBy(() => encode({ messages: [user(text("q"), part)] }));
    expect(error).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: `messages[0].content[1].${part.part?.case}` });
  });

  test("documents keep title, context and the wish for citations", () => {
    const part = document(data(pdf), "", { title: "T", context: "C", citations: true });
    expect(blocks([part])).toMatchObject([{ type: "document", title: "T", context: "C", citations: { enabled: true } }]);
  });

  test("files need a beta", () => {
    expect(encode({ messages: [user(document(file("anthropic")))] }).headers["anthropic-beta"]).toBe("files-api-2025-04-14");
  });

  test("in results are sent", () => {
    const part: PartInit = { part: { case: "toolResult", value: { toolCallId: "a", content: [image(data(png))] } } };
    expect(blocks([part])).toMatchObject([{ content: [{ type: "image", source: { media_type: "image/png" } }] }]);
  });

  test("of the assistant are dropped, but sound that has words", () => {
    const sound: PartInit = { part: { case: "audio", value: { transcript: "la" } } };
    expect(blocks([sound, image(data(png))], "assistant")).toEqual([{ type: "text", text: "la" }]);
  });
});
