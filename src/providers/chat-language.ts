import type { Target } from "../core/catalog.ts";
import { type ChatRequest, ReasoningEffort, Role } from "../core/chat.ts";
import type { UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";

/** A language in which a host takes chats, and where. */
export interface ChatLanguage {
  readonly dialect: UpstreamDialect;
  /** From the origin's root, base path and query included. */
  readonly chatPath: (call: { readonly model: string; readonly streamed: boolean }) => string;
}

/** A host's second language. */
export interface AlternateLanguage extends ChatLanguage {
  /** What a request's own words in it are filed under. */
  readonly extensions: string;
}

/** A host's first language, and its second one if it has one. */
export interface ChatLanguages extends ChatLanguage {
  readonly alternate?: AlternateLanguage | undefined;
}

/**
 * The language in which a call is told: the second one where the request speaks it, so that nothing of it or of its answer is lost,
 * and where the model is served in no other. UNSUPPORTED_FEATURE where only another language could tell it.
 */
export function languageFor(languages: ChatLanguages, request: Readonly<ChatRequest>, target: Target): ChatLanguage {
  const { alternate } = languages;
  if (alternate !== undefined && (speaks(request, alternate.extensions) || isNeeded(request, target))) return alternate;
  refuseForeignResults(request, target);
  return languages;
}

function speaks({ extensionsJson, tools }: Readonly<ChatRequest>, language: string): boolean {
  if (extensionsJson[language] !== undefined) return true;
  return tools.some(({ kind }) => kind.case === "native" && kind.value.issuer === language);
}

function isNeeded(request: Readonly<ChatRequest>, { alternate }: Target): boolean {
  if (alternate === undefined || alternate === "always") return alternate === "always";
  if (request.tools.length === 0) return false;
  const { effort = 0, budgetTokens } = request.reasoning ?? {};
  if (effort === ReasoningEffort.NONE || (effort === 0 && budgetTokens === 0)) return false;
  return alternate === "tools" || effort !== 0 || budgetTokens !== undefined;
}

/** What a tool on the caller's side answered cannot be left out: its call would stay behind, and the model would call it again. */
function refuseForeignResults({ messages }: Readonly<ChatRequest>, { id, issuer }: Target): void {
  for (const { role, content } of messages) {
    if (role !== Role.TOOL) continue;
    for (const { part } of content)
      if (part.case === "native" && part.value.issuer !== issuer)
        throw new ChatError("UNSUPPORTED_FEATURE", `target ${id} cannot read a tool's result in the form of ${part.value.issuer}`, {
          field: "messages.content.native",
        });
  }
}
