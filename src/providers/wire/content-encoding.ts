import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Gunzip,
  type Inflate,
  type ZstdDecompress,
} from "node:zlib";
import { ChatError } from "../../core/error.ts";
import { readWhole, type WireAnswer, type WireBody } from "./body.ts";

/** As many bytes may come of each that was sent, once there are more than `freeBytes`: text is far below, bombs are far above. */
const ratioMax = 200;
const freeBytes = 1024 * 1024;

type Decoder = BrotliDecompress | Gunzip | Inflate | ZstdDecompress;

const decoders: ReadonlyMap<string, () => Decoder> = new Map<string, () => Decoder>([
  ["gzip", createGunzip],
  ["x-gzip", createGunzip],
  ["deflate", createInflate],
  ["br", createBrotliDecompress],
  ["zstd", createZstdDecompress],
]);

/**
 * An answer's body without its content coding. We ask for none; a proxy that compresses all the same does it once. Anything
 * else is UPSTREAM_PROTOCOL.
 */
export function decodedBody({ headers, body }: WireAnswer, who: string): WireBody {
  const coding = headers["content-encoding"];
  if (coding === undefined || coding === "" || coding === "identity") return body;
  const decoder = typeof coding === "string" ? decoders.get(coding.toLowerCase()) : undefined;
  if (decoder !== undefined) return decompressed(body, decoder(), who);
  throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer with a content-encoding that was not asked for`);
}

function decompressed(body: WireBody, decoder: Decoder, who: string): WireBody {
  const chunks: AsyncIterator<Buffer> = decoder[Symbol.asyncIterator]();
  let sent = 0;
  let made = 0;
  // Those who read hear of errors; this is for those who do not.
  decoder.on("error", () => {});
  const pump = async (): Promise<void> => {
    for (let raw = await body.read(); raw !== undefined; raw = await body.read()) {
      for (const chunk of raw) {
        sent += chunk.length;
        await new Promise<unknown>((resolve) => decoder.write(chunk, resolve));
        if (decoder.destroyed) return;
      }
    }
    decoder.end();
  };
  const close = (): void => {
    body.close();
    decoder.destroy();
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
        throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer that is not compressed as it said`, { cause: thrown });
      }
    },
    all: (bytesMax) => readWhole(plain, { who, bytesMax }),
    close,
  };
  pump().catch((error: Error) => decoder.destroy(error));
  return plain;
}
