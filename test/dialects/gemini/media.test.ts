import { describe, expect, test } from "vitest";
import { ImageDetail } from "../../../src/core/chat.ts";
import { encode, type PartInit, thrownBy, user } from "./support.ts";

const bytes = {
  png: Uint8Array.of(0x89, 0x50, 0x4e, 0x47),
  gif: Uint8Array.of(0x47, 0x49, 0x46, 0x38, 0x39),
  pdf: Uint8Array.of(0x25, 0x50, 0x44, 0x46, 0x2d),
  text: new TextEncoder().encode("héllo"),
  noise: Uint8Array.of(0xff, 0xfe, 0x80),
} as const;

type Kind = "image" | "audio" | "video" | "document";
interface Source {
  readonly data?: Uint8Array;
  readonly url?: string;
  readonly file?: { readonly issuer: string; readonly id: string };
  readonly mimeType?: string;
}

function part(kind: Kind, { data, url, file, mimeType = "" }: Source): PartInit {
  const source =
    data !== undefined
      ? { case: "data" as const, value: data }
      : url !== undefined
        ? { case: "url" as const, value: url }
        : file && { case: "file" as const, value: file };
  return { part: { case: kind, value: { media: { mimeType, ...(source !== undefined && { source }) } } } };
}

function sent(...parts: PartInit[]): unknown {
  const [content] = encode({ messages: [user(...parts)] }).body["contents"] as readonly { parts: unknown[] }[];
  return content?.parts;
}

describe("media are sent", () => {
  test.each<{ what: string; kind: Kind; source: Source; wire: unknown }>([
    {
      what: "an image by what it is, not by its label",
      kind: "image",
      source: { data: bytes.png, mimeType: "image/jpeg" },
      wire: { inlineData: { mimeType: "image/png", data: "iVBORw==" } },
    },
    {
      what: "an image that only its label tells",
      kind: "image",
      source: { data: bytes.noise, mimeType: "image/heic" },
      wire: { inlineData: { mimeType: "image/heic", data: "//6A" } },
    },
    {
      what: "an image by its URL",
      kind: "image",
      source: { url: "https://example.com/a.JPG?x=1" },
      wire: { fileData: { mimeType: "image/jpeg", fileUri: "https://example.com/a.JPG?x=1" } },
    },
    {
      what: "an image of an unknown kind by its URL",
      kind: "image",
      source: { url: "https://example.com/a" },
      wire: { fileData: { fileUri: "https://example.com/a" } },
    },
    {
      what: "an image of a bucket",
      kind: "image",
      source: { url: "gs://b/a.png" },
      wire: { fileData: { mimeType: "image/png", fileUri: "gs://b/a.png" } },
    },
    {
      what: "a file of Google's",
      kind: "document",
      source: { file: { issuer: "google", id: "https://g/files/1" }, mimeType: "application/pdf" },
      wire: { fileData: { mimeType: "application/pdf", fileUri: "https://g/files/1" } },
    },
    {
      what: "sound",
      kind: "audio",
      source: { data: bytes.noise, mimeType: "audio/mpeg" },
      wire: { inlineData: { mimeType: "audio/mp3", data: "//6A" } },
    },
    {
      what: "a video",
      kind: "video",
      source: { url: "https://www.youtube.com/watch?v=x" },
      wire: { fileData: { fileUri: "https://www.youtube.com/watch?v=x" } },
    },
    {
      what: "a PDF",
      kind: "document",
      source: { data: bytes.pdf },
      wire: { inlineData: { mimeType: "application/pdf", data: "JVBERi0=" } },
    },
    {
      what: "text",
      kind: "document",
      source: { data: bytes.text, mimeType: "text/markdown" },
      wire: { inlineData: { mimeType: "text/markdown", data: "aMOpbGxv" } },
    },
    {
      what: "text under another name",
      kind: "document",
      source: { data: bytes.text, mimeType: "application/json" },
      wire: { inlineData: { mimeType: "text/plain", data: "aMOpbGxv" } },
    },
  ])("$what", ({ kind, source, wire }) => {
    expect(sent(part(kind, source))).toEqual([wire]);
  });

  test("a document with what is said about it", () => {
    const document: PartInit = {
      part: {
        case: "document",
        value: { media: { source: { case: "data", value: bytes.pdf } }, title: "T", context: "C", citations: true },
      },
    };
    expect(sent(document)).toEqual([{ text: "T\nC" }, { inlineData: { mimeType: "application/pdf", data: "JVBERi0=" } }]);
    expect(encode({ messages: [user(document)] }).notes).toEqual([
      "DROPPED messages[0].content[0].document.citations",
      "APPROXIMATED messages[0].content[0].document",
    ]);
  });
});

describe("media are refused:", () => {
  test.each<{ what: string; kind: Kind; source: Source; failure?: string }>([
    { what: "a gif", kind: "image", source: { data: bytes.gif, mimeType: "image/png" } },
    { what: "a gif by its URL", kind: "image", source: { url: "https://example.com/a.gif" } },
    { what: "an image of no known kind", kind: "image", source: { data: bytes.noise } },
    { what: "an image of another kind", kind: "image", source: { data: bytes.noise, mimeType: "image/tiff" } },
    { what: "a plain http URL", kind: "image", source: { url: "http://example.com/a.png" } },
    { what: "a file of another vendor", kind: "document", source: { file: { issuer: "openai", id: "file-1" } } },
    { what: "a word processor's document", kind: "document", source: { data: bytes.text, mimeType: "application/msword" } },
    { what: "bytes that are no text", kind: "document", source: { data: bytes.noise } },
    { what: "nothing", kind: "image", source: {}, failure: "INVALID_REQUEST" },
  ])("$what", ({ kind, source, failure = "UNSUPPORTED_FEATURE" }) => {
    expect(thrownBy(() => sent(part(kind, source)))).toMatchObject({ failure, field: `messages[0].content[0].${kind}` });
  });

  test("a picture in the instructions", () => {
    expect(
      thrownBy(() =>
        encode({
          messages: [{ role: 1, content: [part("image", { data: bytes.png })] }, user({ part: { case: "text", value: { text: "a" } } })],
        }),
      ),
    ).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
    });
  });
});

describe("resolution", () => {
  const image = (detail: ImageDetail): PartInit => ({
    part: { case: "image", value: { detail, media: { source: { case: "data", value: bytes.png } } } },
  });
  test.each([
    { details: [ImageDetail.UNSPECIFIED, ImageDetail.AUTO], resolution: undefined, notes: [] },
    { details: [ImageDetail.LOW, ImageDetail.LOW], resolution: "MEDIA_RESOLUTION_LOW", notes: [] },
    { details: [ImageDetail.HIGH], resolution: "MEDIA_RESOLUTION_HIGH", notes: [] },
    { details: [ImageDetail.ORIGINAL], resolution: "MEDIA_RESOLUTION_HIGH", notes: [] },
    {
      details: [ImageDetail.LOW, ImageDetail.HIGH],
      resolution: "MEDIA_RESOLUTION_HIGH",
      notes: ["APPROXIMATED messages.content.image.detail"],
    },
    { details: [ImageDetail.UNSPECIFIED, ImageDetail.LOW], resolution: undefined, notes: ["APPROXIMATED messages.content.image.detail"] },
  ])("of $details is $resolution", ({ details, resolution, notes }) => {
    const encoded = encode({ messages: [user(...details.map(image))] });
    expect(encoded.body["generationConfig"]).toEqual(resolution && { mediaResolution: resolution });
    expect(encoded.notes).toEqual(notes);
  });
});
