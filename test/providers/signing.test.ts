import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "@smithy/core/checksum";
import { describe, expect, test } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { hosts } from "../../src/providers/hosts.ts";
import { createAwsSigner } from "../../src/providers/signing.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { signatureOf, signatureProblem } from "../support/sigv4.ts";

/** The credentials and the date of Amazon's own test suite for signature version 4. */
const suite = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  region: "us-east-1",
  service: "service",
};
const date = "20150830T123600Z";
const form = { "content-type": "application/x-www-form-urlencoded" };

/** Names and signatures are the suite's. */
const vectors = [
  {
    name: "get-vanilla",
    method: "GET",
    target: "/",
    more: {},
    body: "",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-vanilla-query-order-key-case",
    method: "GET",
    target: "/?Param1=value1&Param2=value2",
    more: {},
    body: "",
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  },
  {
    name: "post-vanilla",
    method: "POST",
    target: "/",
    more: {},
    body: "",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  },
  {
    name: "post-x-www-form-urlencoded",
    method: "POST",
    target: "/",
    more: form,
    body: "Param1=value1",
    signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
  },
];

describe("Amazon's test vectors", () => {
  for (const { name, method, target, more, body, signature } of vectors) {
    const headers = { host: "example.amazonaws.com", "x-amz-date": date, ...more };
    test(`${name}: the tests' own verifier computes the signature`, () => {
      const signed = Object.keys(headers).toSorted();
      expect(signatureOf({ method, target, headers, body }, suite, { date, signed })).toBe(signature);
    });

    test(`${name}: so does the library that signs`, async () => {
      const signer = new SignatureV4({ ...suite, credentials: suite, sha256: Sha256, applyChecksum: false });
      const [path = "", query = ""] = target.split("?");
      const request = { protocol: "", hostname: "", method, path, query: Object.fromEntries(new URLSearchParams(query)), body };
      const signed = await signer.sign(
        { ...request, headers: { host: headers.host, ...more } },
        { signingDate: new Date("2015-08-30T12:36:00Z") },
      );
      expect(signed.headers["authorization"]).toContain(`Signature=${signature}`);
    });
  }
});

const clock = createFakeClock();
const wallMs = clock.wall();

function sign(sessionToken?: string) {
  const secret = (value: string): Secret => new Secret(value, "config");
  return createAwsSigner({
    credentials: {
      accessKeyId: secret("AKIDEXAMPLE"),
      secretAccessKey: secret(suite.secretAccessKey),
      sessionToken: sessionToken === undefined ? undefined : secret(sessionToken),
    },
    region: "eu-west-1",
    service: "bedrock",
    host: "127.0.0.1:8443",
    clock,
  });
}

const by = { ...suite, region: "eu-west-1", service: "bedrock" };

async function requestOf(method: "GET" | "POST", target: string, body: string | undefined, sessionToken?: string) {
  const flat = await sign(sessionToken).sign({ method, path: target, body });
  const headers: Record<string, string> = { host: "127.0.0.1:8443", "content-type": "application/json" };
  for (let i = 0; i < flat.length; i += 2) headers[flat[i] ?? ""] = flat[i + 1] ?? "";
  return { method, target, headers, body: body ?? "" };
}

describe("a request of ours", () => {
  const models = [
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1",
    "a model (new) 100% of *it*, 'quoted'! ü",
  ];
  for (const model of models) {
    for (const streamed of [false, true]) {
      test(`has a signature that holds, ${streamed ? "streamed" : "whole"}: ${model}`, async () => {
        const target = hosts.bedrock.chatPath({ model, streamed, apiVersion: undefined });
        expect(target.split("/")).toHaveLength(4);
        expect(signatureProblem(await requestOf("POST", target, '{"messages":[]}'), by, wallMs)).toBeUndefined();
      });
    }
  }

  test("below a base path and with a query", async () => {
    for (const target of ["/proxy/model/a%3Ab/converse", "/model/m/converse?b=2&a=1&a=%20x", "/"])
      expect(signatureProblem(await requestOf("POST", target, "{}"), by, wallMs), target).toBeUndefined();
  });

  test("without a body", async () => {
    expect(signatureProblem(await requestOf("GET", "/x", undefined), by, wallMs)).toBeUndefined();
  });

  test("with a session token, which is sent and signed", async () => {
    const request = await requestOf("POST", "/model/m/converse", "{}", "token==");
    expect(request.headers["x-amz-security-token"]).toBe("token==");
    expect(signatureProblem(request, { ...by, sessionToken: "token==" }, wallMs)).toBeUndefined();
  });

  test("signs nothing that a proxy may change", async () => {
    const { headers } = await requestOf("POST", "/model/m/converse", "{}");
    expect(headers["authorization"]).toContain("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,");
    expect(Object.keys(headers).toSorted()).toEqual(["authorization", "content-type", "host", "x-amz-content-sha256", "x-amz-date"]);
  });

  test("takes its date from the clock", async () => {
    const { headers } = await requestOf("POST", "/model/m/converse", "{}");
    expect(headers["x-amz-date"]).toBe("20260101T000000Z");
  });
});

describe("the verifier refuses", () => {
  test.for([
    { what: "another body", change: { body: "{ }" }, says: "the signature does not match" },
    { what: "another path", change: { target: "/model/n/converse" }, says: "the signature does not match" },
    { what: "another method", change: { method: "GET" }, says: "the signature does not match" },
    { what: "no signature", change: { headers: {} }, says: "no signature" },
  ])("$what", async ({ change, says }) => {
    expect(signatureProblem({ ...(await requestOf("POST", "/model/m/converse", "{}")), ...change }, by, wallMs)).toBe(says);
  });

  test.for([
    { what: "another secret", change: { secretAccessKey: "x" }, says: "the signature does not match" },
    { what: "another key", change: { accessKeyId: "x" }, says: "another access key" },
    { what: "another region", change: { region: "us-east-1" }, says: "another scope" },
    { what: "a missing session token", change: { sessionToken: "t" }, says: "another session token" },
  ])("$what", async ({ change, says }) => {
    expect(signatureProblem(await requestOf("POST", "/model/m/converse", "{}"), { ...by, ...change }, wallMs)).toBe(says);
  });

  test("an old or an early date", async () => {
    const request = await requestOf("POST", "/model/m/converse", "{}");
    expect(signatureProblem(request, by, wallMs + 301_000)).toBe("expired");
    expect(signatureProblem(request, by, wallMs - 301_000)).toBe("not yet current");
  });
});

test("nothing about a signer shows its secrets", () => {
  const signer = sign("token-that-is-secret");
  expect(JSON.stringify(signer)).not.toMatch(/wJalr|token-that/);
  expect(signer.secrets.map((secret) => secret.reveal())).toEqual([suite.secretAccessKey, "AKIDEXAMPLE", "token-that-is-secret"]);
});
