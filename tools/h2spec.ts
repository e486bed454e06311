/**
 * h2spec against the program itself, strictly, on a port without TLS and on one with it. What it finds must be what is
 * known; exits with 3 where there is no Go to build it with.
 */
import { join, resolve } from "node:path";
import { startServer } from "../test/support/server.ts";
import { goInstall, goScratch } from "./go.ts";
import { attempt } from "./run.ts";

/** The last version that Go's module proxy has under this name. */
const program = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
/** A path that waits for the whole request: one that is refused before is over before h2spec has broken it. */
const path = "/v1/chat/completions";
/** A run takes about 20 s. */
const limitMs = 120_000;

/** Cases that fail, and why. They are the same with nothing but Node behind the port. */
const known: ReadonlyMap<string, string> = new Map([
  ["5.1/8", "DATA after RST_STREAM: nghttp2 ignores what comes for a closed stream, which it cannot tell from what was under way"],
  ["5.1/9", "HEADERS after RST_STREAM: as 5.1/8"],
  ["5.1/11", "DATA on a closed stream: as 5.1/8"],
  ["5.1/12", "HEADERS on a closed stream: as 5.1/8"],
  ["5.1.1/2", "a stream id smaller than the last: for nghttp2 a closed stream, as 5.1/8"],
  ["5.3.1/2", "a PRIORITY that depends on itself: RFC 9113 took priorities away, and nghttp2 does not read them any more"],
  ["6.3/1", "PRIORITY on stream 0: as 5.3.1/2"],
  ["6.7/2", "PING with ACK that answers nothing: Node ends such a connection"],
  ["6.9.1/3", "a stream's window above 2^31-1: Node ends the connection, not only the stream"],
]);
/** Without TLS, besides. */
const knownPlain: ReadonlyMap<string, string> = new Map([
  ["3.5/2", "a wrong preface: on a port that speaks HTTP/1.1 too it is a bad request of that, answered 400 and closed"],
]);

const scratch = await goScratch("h2spec");
await goInstall(program, scratch);
const tls = resolve("test/fixtures/tls");
/**
 * Frames on a stream that is half closed by their sender: our answer may have closed it altogether meanwhile, which is another
 * case of the specification. What comes of them is a matter of microseconds.
 */
const raced: ReadonlySet<string> = new Set(["5.1/5", "5.1/6", "5.1/7", "6.1/2"]);

const simulated = "providers: {sim: {type: simulated}}";
const secure = `server: {tls: {cert_file: ${tls}/cert.pem, key_file: ${tls}/key.pem}}\n${simulated}`;
const [plain, withTls] = [await judge("without TLS", simulated, []), await judge("with TLS", secure, ["--tls", "--insecure"])];
process.exitCode = plain && withTls ? 0 : 1;

async function judge(name: string, config: string, flags: readonly string[]): Promise<boolean> {
  await using server = await startServer(config);
  const to = ["--host", "127.0.0.1", "--port", String(server.port), "--path", path];
  const { output } = await attempt(join(scratch, "h2spec"), ["--strict", ...to, ...flags], limitMs);
  const summary = /^\d+ tests, .*$/m.exec(output)?.[0];
  const expected = flags.length > 0 ? known : new Map([...known, ...knownPlain]);
  const failed = failures(output);
  const unexpected = failed.filter((id) => !expected.has(id) && !raced.has(id));
  const healed = [...expected.keys()].filter((id) => !failed.includes(id));
  process.stdout.write(`${name}: ${summary ?? "h2spec did not finish"}; ${unexpected.length} of them neither known nor raced\n`);
  if (unexpected.length > 0) process.stdout.write(`not known: ${unexpected.join(", ")}\n${output}\n`);
  if (healed.length > 0) process.stdout.write(`known, and passed: ${healed.join(", ")}\n`);
  return summary !== undefined && unexpected.length === 0 && healed.length === 0;
}

/** As section and number; h2spec indents its report by sections, and marks what failed. */
function failures(output: string): string[] {
  let section = "";
  return output
    .slice(output.indexOf("Failures:"))
    .split("\n")
    .flatMap((line) => {
      section = /^\s+(\d+(?:\.\d+)*)\.? [A-Z]/.exec(line)?.[1] ?? section;
      const number = /^\s+× (\d+):/.exec(line)?.[1];
      return number === undefined ? [] : [`${section}/${number}`];
    });
}
