import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Clock } from "../core/clock.ts";
import type { Secret } from "../core/secret.ts";

/** Signs requests; a signature holds for a few minutes only, and for one body. */
export interface Signer {
  /** Headers to send besides the others: a flat list of names and values. */
  sign(request: SignedRequest): Promise<readonly string[]>;
  /** What must not be heard of again. */
  readonly secrets: readonly Secret[];
}

/** What of a request is signed. */
export interface SignedRequest {
  readonly method: "GET" | "POST";
  /** From the origin's root, percent-encoded, with the query. */
  readonly path: string;
  readonly body: string | undefined;
}

/** An account's credentials for Amazon's services. */
export interface AwsCredentials {
  readonly accessKeyId: Secret;
  readonly secretAccessKey: Secret;
  /** Of temporary credentials only. */
  readonly sessionToken: Secret | undefined;
}

/** Who signs for whom. */
export interface AwsSignerOptions {
  readonly credentials: AwsCredentials;
  readonly region: string;
  /** The service's name in signatures. */
  readonly service: string;
  /** As the `host` header has it, with a port that is not the scheme's own. */
  readonly host: string;
  readonly clock: Clock;
}

/**
 * Signature version 4. Host, content type and body are signed, and nothing that a proxy may change; each request is signed right
 * before it leaves. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 */
export function createAwsSigner({ credentials, region, service, host, clock }: AwsSignerOptions): Signer {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signature = new SignatureV4({
    service,
    region,
    sha256: Sha256,
    credentials: {
      accessKeyId: accessKeyId.reveal(),
      secretAccessKey: secretAccessKey.reveal(),
      ...(sessionToken !== undefined && { sessionToken: sessionToken.reveal() }),
    },
  });
  const given = { host, "content-type": "application/json" };
  return {
    secrets: [secretAccessKey, accessKeyId, ...(sessionToken === undefined ? [] : [sessionToken])],
    async sign({ method, path, body }) {
      const [bare = "", query = ""] = path.split("?");
      const request = { protocol: "", hostname: "", method, path: bare, query: queryFrom(query), headers: given, body };
      const { headers } = await signature.sign(request, { signingDate: new Date(clock.wall()) });
      return Object.entries(headers).flatMap(([name, value]) => (name in given ? [] : [name, value]));
    },
  };
}

function queryFrom(query: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(query)) (found[name] ??= []).push(value);
  return found;
}
