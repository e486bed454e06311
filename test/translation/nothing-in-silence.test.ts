import { describe, expect, test } from "vitest";
import { type ChatRequest, ChatRequestSchema, TranslationAction, type TranslationNote } from "../../src/core/chat.ts";
import { fieldsOf, type Leaf, leavesOf } from "./leaves.ts";
import { type Outcome, outcomeOf, type Row, rows } from "./rows.ts";
import { samples } from "./samples.ts";

/** What the router hears, and no translator; facts that a translator finds out better; and what only an answer has. */
const notTold: readonly RegExp[] = [
  /^(model|routing)\b/,
  /^messages\[\d+\]\.role$/,
  // What the bytes are is read from them, and a display name is shown to nobody.
  /\.media\.(mime_type|filename)$/,
  // The call has it, too.
  /\.tool_result\.name$/,
  // Described in the API as being of answers.
  /\.audio\.(media\.data|audio_id|transcript|expire_time)$/,
  /\.refusal\.category$/,
  /\.text\.citations\b/,
  // A remark on the text.
  /\.reasoning\.summary$/,
  // Only OpenAI tells it from `system`.
  /\.developer$/,
  // A label for logs.
  /\.json_schema\.name$/,
];

/** What asks for no more than what comes anyway, and what cannot be asked for beside the rest; `at`: of these rows alone. */
const noLoss: readonly { readonly sample: RegExp; readonly path: RegExp; readonly at?: RegExp }[] = [
  { sample: /^a loose tool$/, path: /\.strict$/ },
  // A schema that is always kept to is kept to when asked, and harms nobody who did not ask.
  { sample: /^json schema/, path: /\.json_schema\.strict$/ },
  { sample: /^effort NONE$/, path: /\.effort$/ },
  // A budget wins over an effort, where budgets are taken.
  { sample: /^effort and budget$/, path: /^reasoning\./ },
  { sample: /^tier (auto|default|standard_only)$/, path: /^service_tier$/ },
  // OpenAI shows none unless it is asked for.
  { sample: /^summary omitted$/, path: /\.summary$/, at: /at openai$/ },
  // Cohere cites what tools brought, asked or not.
  { sample: /^a result with a document$/, path: /\.citations$/, at: /at cohere$/ },
  // DeepSeek wants its thoughts back beside calls, and nowhere else.
  { sample: /^(reasoning|a summary)/, path: /\.reasoning\.text$/, at: /at deepseek$/ },
  { sample: /^choice (auto|among some)$/, path: /^tool_choice\.mode$/ },
  // What may not be called is not shown.
  { sample: /^choice none$/, path: /^tools/ },
  { sample: /^choice (named|among some)/, path: /^tools\[[12]\]/ },
];

const said = [...samples].map(([name, request]) => {
  return { name, request, leaves: leavesOf(request).filter(({ path }) => notTold.every((each) => !each.test(path))) };
});

function isNoLoss(row: Row, name: string, path: string): boolean {
  return noLoss.some(({ sample, path: where, at }) => sample.test(name) && where.test(path) && (at?.test(row.name) ?? true));
}

/** Whether what is said makes a difference on the wire, or a note that is about it, or a refusal. */
function fate(row: Row, outcome: Outcome, { path, without }: Leaf): "sent" | "noted" | "refused" | "silent" {
  if (outcome.kind === "refused") return "refused";
  const less = outcomeOf(row, without);
  if (less.kind === "refused" || less.body !== outcome.body || less.headers !== outcome.headers) return "sent";
  // What is dropped or imitated as a whole loses its pieces.
  if (outcome.notes.some(({ field, action }) => wholes.has(action) && isWithin(path, field))) return "noted";
  const told = new Set(less.notes.map(keyOf));
  const more = outcome.notes.filter((note) => !told.has(keyOf(note)));
  return more.some(({ field }) => isWithin(field, path) || isWithin(path, field)) ? "noted" : "silent";
}

const wholes: ReadonlySet<TranslationAction> = new Set([TranslationAction.DROPPED, TranslationAction.EMULATED]);

function keyOf({ field, action, message }: TranslationNote): string {
  return JSON.stringify([field, action, message]);
}

function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
}

function lossesOf(row: Row, name: string, request: ChatRequest, leaves: readonly Leaf[]): string[] {
  const outcome = outcomeOf(row, request);
  const lost = leaves.filter((leaf) => fate(row, outcome, leaf) === "silent" && !isNoLoss(row, name, leaf.path));
  return lost.map(({ path }) => `${name}: ${path}`);
}

describe.each(rows)("$name", (row) => {
  test("sends, notes or refuses all that a request says", () => {
    expect(said.flatMap(({ name, request, leaves }) => lossesOf(row, name, request, leaves))).toStrictEqual([]);
  });
});

test("the samples say everything that the API can", () => {
  const covered = new Set([...samples.values()].flatMap((request) => leavesOf(request).map(({ field }) => field)));
  const left = fieldsOf(ChatRequestSchema).filter(
    (field) => !covered.has(field) && !/RoutingOptions|ChatRequest\.model|Message\.role|google\.protobuf/.test(field),
  );
  expect(left).toStrictEqual([]);
});
