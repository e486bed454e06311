import { once } from "node:events";
import { WebSocket } from "ws";
import { ending, type Ending, type Question, type Way } from "./traffic.ts";

/** Sockets that all callers share. */
const sharedMax = 4;

/** The last frame of a call, and whether it had brought anything before. */
type Finish = (frame: { readonly type?: unknown; readonly error?: { readonly code?: unknown } }, chunks: number) => void;

/** A socket, and who waits for a last frame on it. */
interface Line {
  readonly ws: WebSocket;
  readonly calls: Map<number, { chunks: number; readonly finish: Finish; readonly lost: () => void }>;
}

/** WebSocket: many calls on few sockets, and now and then one on a socket of its own, which goes with its caller. */
export function openSockets(url: string): { readonly way: Way; close(): void } {
  const lines: Line[] = [];
  let asked = 0;
  const shared = async (): Promise<Line> => {
    const at = asked % sharedMax;
    const line = lines[at];
    if (line !== undefined && line.ws.readyState === line.ws.OPEN) return line;
    return (lines[at] = await openLine(url));
  };
  return {
    way: {
      name: "WebSocket",
      async ask(question) {
        const id = asked++;
        const own = id % 8 === 0;
        try {
          const line = await (own ? openLine(url) : shared());
          const end = await askOn(line, id, question, own);
          if (own) line.ws.close();
          return end;
        } catch (thrown) {
          return question.signal.aborted ? "left" : `silence ${String(thrown)}`;
        }
      },
    },
    close() {
      for (const { ws } of lines) ws.close();
    },
  };
}

async function openLine(url: string): Promise<Line> {
  const ws = new WebSocket(`${url.replace(/^http/, "ws")}/v1/realtime/chat`);
  const calls: Line["calls"] = new Map();
  ws.on("message", (data) => {
    const frame = JSON.parse(Buffer.isBuffer(data) ? data.toString() : "{}");
    const call = calls.get(frame.id);
    if (call === undefined) return;
    if (frame.type === "chunk") call.chunks++;
    else {
      calls.delete(frame.id);
      call.finish(frame, call.chunks);
    }
  });
  ws.on("close", () => {
    for (const { lost } of calls.values()) lost();
  });
  await once(ws, "open");
  ws.on("error", () => {});
  return { ws, calls };
}

function askOn({ ws, calls }: Line, id: number, question: Question, own: boolean): Promise<Ending> {
  const { content, streamed, signal, timeoutMs } = question;
  return new Promise((resolve) => {
    calls.set(id, {
      chunks: 0,
      finish(frame, chunks) {
        if (frame.type === "done") resolve(chunks > 0 ? "answered" : "silence empty");
        else if (frame.error?.code === "cancelled") resolve(signal.aborted ? "left" : "silence cancelled");
        else resolve(ending(String(frame.error?.code).toUpperCase()));
      },
      lost: () => resolve(signal.aborted ? "left" : "silence lost"),
    });
    signal.addEventListener("abort", () => {
      if (own) ws.terminate();
      else ws.send(JSON.stringify({ type: "cancel", id }));
    });
    const request = { model: "m", messages: [{ role: "user", content }], temperature: 0, stream: streamed };
    const headers = timeoutMs === undefined ? {} : { "x-semaroute-timeout-ms": String(timeoutMs) };
    ws.send(JSON.stringify({ type: "chat", id, request, headers }));
  });
}
