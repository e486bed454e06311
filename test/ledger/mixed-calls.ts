import { setTimeout as pause } from "node:timers/promises";
import { openSockets } from "../../bench/soak/sockets.ts";
import { openWays } from "../../bench/soak/traffic.ts";
import { randomFrom } from "./meter.ts";

/** How a run is made. */
export interface Mix {
  readonly url: string;
  readonly calls: number;
  /** At the same time. */
  readonly callers: number;
  readonly seed: number;
  /** Whether some of the callers leave before their answer is whole. */
  readonly leavers: boolean;
}

/** How long somebody waits for what is never answered; milliseconds. */
const patienceMs = 120;

/**
 * Calls of every kind by every door: whole and streamed, tools and embeddings, questions that others ask at the same time or have
 * asked, callers who leave before and in an answer. Answers how many callers came to which end.
 */
export async function mixedCalls({ url, calls, callers, seed, leavers }: Mix): Promise<ReadonlyMap<string, number>> {
  const random = randomFrom(seed);
  const doors = openWays(url);
  const sockets = openSockets(url);
  const ways = [...doors.ways, sockets.way];
  const endings = new Map<string, number>();
  let asked = 0;
  const caller = async (): Promise<void> => {
    for (let number = asked++; number < calls; number = asked++) {
      const word = await ask(number);
      endings.set(word, (endings.get(word) ?? 0) + 1);
    }
  };
  const ask = async (number: number): Promise<string> => {
    const kind = random();
    if (kind < 0.1) return askRest(url, "/v1/embeddings", { model: "e", input: `text ${random() < 0.2 ? number % 5 : number}` });
    const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }];
    if (kind < 0.2) {
      const messages = [{ role: "user", content: `tools ${number}` }];
      return askRest(url, "/v1/chat/completions", { model: "m", messages, tools, stream: random() < 0.5 });
    }
    const way = ways[number % ways.length];
    if (way === undefined) return "nobody";
    const streamed = random() < 0.5;
    if (leavers && kind < 0.28) {
      const leaving = new AbortController();
      const over = pause(patienceMs).then(() => leaving.abort());
      const ending = await way.ask({
        content: `${random() < 0.5 ? "hang" : "stall"} ${number}`,
        streamed,
        signal: leaving.signal,
        timeoutMs: undefined,
      });
      await over;
      return ending;
    }
    const content = kind < 0.4 ? `again ${Math.floor(number / 40)}` : `new ${number}`;
    return way.ask({ content, streamed, signal: new AbortController().signal, timeoutMs: undefined });
  };
  await Promise.all(Array.from({ length: callers }, caller));
  await doors.close();
  sockets.close();
  return endings;
}

async function askRest(url: string, path: string, body: object): Promise<string> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return response.status === 200 && !text.includes('"error":{') ? "answered" : "not answered";
}
