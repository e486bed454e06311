import { isUtf8 } from "node:buffer";
import type { JsonReadOptions } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { chatErrorFrom } from "../../core/error.ts";
import { refuseExcess } from "../../core/json.ts";

/** Connect hands these on to its JSON codec, which has one place where every protocol's JSON is text and not yet parsed. */
export interface CallerJsonOptions extends Partial<JsonReadOptions> {
  readonly textDecoder: { decode(bytes?: Uint8Array): string };
}

/** Callers' JSON in whatever protocol, compressed or not: bytes that are not UTF-8, and what is too much or means two things, is INVALID_ARGUMENT. */
export const callerJson: CallerJsonOptions = { textDecoder: { decode: textFrom } };

const decoder = new TextDecoder();

function textFrom(bytes: Uint8Array = new Uint8Array()): string {
  if (!isUtf8(bytes)) throw new ConnectError("the message is not valid UTF-8", Code.InvalidArgument);
  const text = decoder.decode(bytes);
  try {
    refuseExcess(text);
  } catch (thrown) {
    throw new ConnectError(chatErrorFrom(thrown).message, Code.InvalidArgument, undefined, undefined, thrown);
  }
  return text;
}
