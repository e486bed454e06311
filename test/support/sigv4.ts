/** Checks AWS signatures, version 4, by the specification alone and node:crypto: nothing that signs in the product is used. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** A request as it came over the wire. */
export interface SignedCall {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Who may sign. */
export interface SignedBy {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  readonly service: string;
}

/** Five minutes. */
const skewMaxMs = 300_000;

/** What is wrong with the signature; undefined: nothing. */
export function signatureProblem(call: SignedCall, by: SignedBy, nowMs: number): string | undefined {
  const { authorization = "" } = call.headers;
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, accessKeyId, day = "", region, service, names = "", signature = ""] = found.exec(authorization) ?? [];
  if (accessKeyId === undefined) return "no signature";
  if (accessKeyId !== by.accessKeyId) return "another access key";
  if (region !== by.region || service !== by.service) return "another scope";
  if (call.headers["x-amz-security-token"] !== by.sessionToken) return "another session token";
  const date = String(call.headers["x-amz-date"]);
  const [, year, month, dayOfMonth, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const at = Date.parse(`${year}-${month}-${dayOfMonth}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at) || !date.startsWith(day)) return "no date";
  if (Math.abs(at - nowMs) > skewMaxMs) return at < nowMs ? "expired" : "not yet current";
  const signed = names.split(";");
  for (const name of ["host", "x-amz-date", ...(by.sessionToken === undefined ? [] : ["x-amz-security-token"])])
    if (!signed.includes(name)) return `${name} is not signed`;
  const expected = signatureOf(call, by, { date, signed });
  return timingSafeEqual(Buffer.from(expected), Buffer.from(signature)) ? undefined : "the signature does not match";
}

/** The signature that the call should have. */
export function signatureOf(call: SignedCall, by: SignedBy, { date, signed }: { date: string; signed: readonly string[] }): string {
  const [path = "", query = ""] = call.target.split("?");
  const canonical = [
    call.method,
    // What is encoded in the path is encoded once more; only S3 differs.
    path.split("/").map(encoded).join("/"),
    query
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => (pair.includes("=") ? pair : `${pair}=`))
      .toSorted()
      .join("&"),
    ...signed.map((name) => `${name}:${String(call.headers[name]).trim().replaceAll(/ +/g, " ")}`),
    "",
    signed.join(";"),
    sha256(call.body),
  ].join("\n");
  const day = date.slice(0, 8);
  const scope = `${day}/${by.region}/${by.service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  let key: Buffer | string = `AWS4${by.secretAccessKey}`;
  for (const step of [day, by.region, by.service, "aws4_request"]) key = createHmac("sha256", key).update(step).digest();
  return createHmac("sha256", key).update(text).digest("hex");
}

function encoded(step: string): string {
  return encodeURIComponent(step).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
