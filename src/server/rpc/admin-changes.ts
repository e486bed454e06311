import { isUtf8 } from "node:buffer";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { AuditEntry } from "../../core/operations.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";
import { peerKey } from "./context.ts";
import { requestIdKey } from "./error-details.ts";

/** Who changes something, by the caller's own word: it has shown the admin token, and that has no name in it. One line of at most 128 characters. */
export function authorOf(context: HandlerContext): string {
  const bytes = Buffer.from(context.requestHeader.get("x-semaroute-author") ?? "", "latin1");
  // Header values come as Latin-1, and what people write there is UTF-8.
  const author = isUtf8(bytes) ? bytes.toString() : bytes.toString("latin1");
  const line = author.replace(invisible, " ").trim();
  return line === "" ? "admin" : line.slice(0, authorMax).toWellFormed();
}

const authorMax = 128;
/** Control characters, what turns or hides text around it, and ends of lines: whoever reads a log must see who it was. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** Where a change came from, for its audit line. */
export function originOf({ values }: HandlerContext): Pick<AuditEntry, "address" | "requestId"> {
  return { address: values.get(peerKey).remoteAddress, requestId: values.get(requestIdKey) };
}

/** A name the caller wrote, for a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 128));
}

/** INVALID_ARGUMENT, with what is wrong with which field. */
export function invalidArgument(text: string, problems: readonly FieldProblem[]): Error {
  return createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems });
}
