import { Code, type HandlerContext } from "@connectrpc/connect";
import { createRefusal, type FieldProblem } from "../errors.ts";

/** Who changes something, by the caller's own word: it has shown the admin token, and that has no name in it. */
export function authorOf(context: HandlerContext): string {
  const author = context.requestHeader.get("x-semaroute-author")?.trim().slice(0, 128);
  return author === undefined || author === "" ? "admin" : author;
}

/** A name the caller wrote, for a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 128));
}

/** INVALID_ARGUMENT, with what is wrong with which field. */
export function invalidArgument(text: string, problems: readonly FieldProblem[]): Error {
  return createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems });
}
