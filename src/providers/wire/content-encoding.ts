import { createGunzip } from "node:zlib";
import { ChatError } from "../../core/error.ts";
import { readWhole, type WireAnswer, type WireBody } from "./body.ts";

/** As many bytes may come of each that was sent, once there are more than `freeBytes`: text is far below, bombs are far above. */
const ratioMax = 200;
const freeBytes = 1024 * 1024;

/**
 * An answer's body without its content coding. We ask for none; a proxy that compresses all the same does it with gzip,
 * and once. Anything else is UPSTREAM_PROTOCOL.
 */
export function decodedBody({ headers, body }: WireAnswer, who: string): WireBody {
  const coding = headers["content-encoding"];
  if (coding === undefined || coding === "" || coding === "identity") return body;
  if (typeof coding === "string" && /^(?:x-)?gzip$/i.test(coding)) return gunzipped(body, who);
  throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer with a content-encoding that was not asked for`);
}

function gunzipped(body: WireBody, who: string): WireBody {
  const gunzip = createGunzip();
  const chunks: AsyncIterator<Buffer> = gunzip[Symbol.asyncIterator]();
  let sent = 0;
  let made = 0;
  // Those who read hear of errors; this is for those who do not.
  gunzip.on("error", () => {});
  const pump = async (): Promise<void> => {
    for (let raw = await body.read(); raw !== undefined; raw = await body.read()) {
      for (const chunk of raw) {
        sent += chunk.length;
        await new Promise<unknown>((resolve) => gunzip.write(chunk, resolve));
        if (gunzip.destroyed) return;
      }
    }
    gunzip.end();
  };
  const close = (): void => {
    body.close();
    gunzip.destroy();
  };
  const plain: WireBody = {
    async read() {
      try {
        const { done, value } = await chunks.next();
        if (done === true) return undefined;
        made += value.length;
        if (made > freeBytes && made > sent * ratioMax) throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent a compression bomb`);
        return [value];
      } catch (thrown) {
        close();
        if (thrown instanceof ChatError) throw thrown;
        throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer that is not gzip, as it said`, { cause: thrown });
      }
    },
    all: (bytesMax) => readWhole(plain, { who, bytesMax }),
    close,
  };
  pump().catch((error: Error) => gunzip.destroy(error));
  return plain;
}
