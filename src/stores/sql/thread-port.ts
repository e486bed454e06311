import { type MessagePort, parentPort } from "node:worker_threads";
import { StoreError } from "../../core/store.ts";
import { reasonOf } from "./node-sqlite.ts";
import type { ThreadReply } from "./thread.ts";

/** What a thread does. */
export interface ThreadProgram<Opened> {
  open(): Opened | Promise<Opened>;
  /** Its calls are of the kinds that its `Thread` is asked. */
  answer(opened: Opened, call: ThreadCall): unknown;
}

/** `close` is the last one. */
interface ThreadCall {
  readonly kind: string;
}

/** The other end of a `Thread`: opens, then answers calls one after the other, in the order in which they came. */
export async function serveThread<Opened>(program: ThreadProgram<Opened>): Promise<void> {
  if (parentPort === null) return;
  const port: MessagePort = parentPort;
  const say = (reply: ThreadReply): void => port.postMessage(reply);
  let opened: Opened;
  try {
    opened = await program.open();
  } catch (thrown) {
    say({ kind: "refused", text: reasonOf(thrown), unwritable: thrown instanceof StoreError && thrown.unwritable });
    return;
  }
  let last: Promise<void> = Promise.resolve();
  port.on("message", ({ id, call }: { readonly id: number; readonly call: ThreadCall }) => {
    last = last.then(async () => {
      try {
        say({ kind: "answer", id, value: await program.answer(opened, call) });
      } catch (thrown) {
        say({ kind: "failure", id, text: reasonOf(thrown) });
      }
      if (call.kind === "close") port.close();
    });
  });
  say({ kind: "opened" });
}
