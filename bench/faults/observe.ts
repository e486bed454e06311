import type { Gateway } from "./gateways.ts";
import { type Kind, pieces, type Right } from "./rows.ts";

/** Longer than any limit that a gateway was given. */
const patienceMs = 8000;

/** What is asked; redirects must not carry it anywhere. */
export const prompt = "what is six times seven, in confidence";

/** What a caller saw. */
export interface Seen {
  readonly status: number | undefined;
  /** `finished`: an end that every SDK takes for good. `told`: an error that every SDK raises. `cut`: a broken connection. */
  readonly end: "finished" | "told" | "cut" | "never";
  readonly text: string;
}

/** Asks once, and looks at the bytes as an SDK would. */
export async function ask({ url, headers }: Gateway, kind: Kind, signal: AbortSignal = AbortSignal.timeout(patienceMs)): Promise<Seen> {
  let status: number | undefined;
  let body = "";
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk-caller", ...headers },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: prompt }], ...(kind === "stream" && { stream: true }) }),
      signal,
    });
    ({ status } = response);
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) body += decoder.decode(bytes, { stream: true });
  } catch {
    return { status, end: signal.aborted ? "never" : "cut", text: textOf(body, kind) };
  }
  const isError = status !== 200 || /^data: \{"error"|^event: error/m.test(body) || (kind === "whole" && textOf(body, kind) === "");
  return { status, end: isError ? "told" : "finished", text: textOf(body, kind) };
}

function textOf(body: string, kind: Kind): string {
  try {
    if (kind === "whole") return String(JSON.parse(body).choices[0].message.content);
    return [...body.matchAll(/^data: (\{.*)$/gm)].map((match) => contentOf(match[1] ?? "")).join("");
  } catch {
    return "";
  }
}

function contentOf(json: string): string {
  try {
    return String(JSON.parse(json).choices?.[0]?.delta?.content ?? "");
  } catch {
    return "";
  }
}

/** Whether that is right, and what it was in few words. */
export function judged({ status, end, text }: Seen, right: Right): { readonly isRight: boolean; readonly words: string } {
  const whole = pieces.join("");
  const words =
    end === "never"
      ? "nothing within 8 s"
      : status !== undefined && status !== 200
        ? String(status)
        : end === "finished"
          ? text === whole
            ? "answered"
            : "looks finished"
          : end === "cut"
            ? status === undefined
              ? "connection lost"
              : "connection cut"
            : text === ""
              ? "200, error inside"
              : "error told";
  if (right === "answered") return { isRight: words === "answered", words };
  // A cut connection is an error to every client too.
  if (right === "told") return { isRight: (words === "error told" || words === "connection cut") && text === pieces[0], words };
  return { isRight: status !== undefined && right.includes(status), words };
}
