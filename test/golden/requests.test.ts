/** What leaves for each vendor: one request a case, in every dialect, with what had to be changed. Reviewed; `vitest -u` writes them anew. */
import { describe, expect, test } from "vitest";
import { type ChatRequest, TranslationAction } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { parseJson } from "../../src/core/json.ts";
import { type DialectRow, dialects, targetOf } from "./dialects.ts";
import { strayFiles } from "./stray-files.ts";
import { requestNames, requestOf } from "./requests.ts";

/** The body as JSON, and beside it what no body tells; or why there is none. */
function shown(row: DialectRow, name: string, request: ChatRequest): string {
  return `${JSON.stringify(encoded(row, name, request), undefined, 2)}\n`;
}

function encoded(row: DialectRow, name: string, request: ChatRequest): object {
  const target = targetOf(row, name);
  try {
    const { body, notes, headers, answering } = row.upstream.encodeRequest(request, target, row.quirks, false);
    return {
      model: target.upstreamModel,
      ...(headers !== undefined && { headers }),
      body: parseJson(body),
      notes: notes.map((note) => `${actionName(note.action)} ${note.field}: ${note.message}`),
      ...(answering !== undefined && { answering: plain(answering) }),
    };
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    return { model: target.upstreamModel, refused: { failure: thrown.failure, field: thrown.field, message: thrown.message } };
  }
}

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? String(action);
}

/** Maps and sets as JSON has them. */
function plain(context: object): object {
  return Object.fromEntries(
    Object.entries(context).map(([key, value]) => [
      key,
      value instanceof Map ? Object.fromEntries(value) : value instanceof Set ? [...value] : value,
    ]),
  );
}

describe.each(dialects)("in $name", (row) => {
  test.each(requestNames)("a request of %s leaves as it was reviewed", async (name) => {
    await expect(shown(row, name, requestOf(name))).toMatchFileSnapshot(`requests/${row.name}/${name}.json`);
  });

  test("there is no file of a case that is no more", () => {
    expect(
      strayFiles(
        `requests/${row.name}`,
        requestNames.map((name) => `${name}.json`),
      ),
    ).toEqual([]);
  });
});
