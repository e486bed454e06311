import { describe, expect, test } from "vitest";
import { bedrockConverse } from "../../../src/dialects/bedrock-converse/upstream.ts";
import { knownBodies } from "../../../src/dialects/bedrock-converse/error-bodies.ts";

const wallMs = Date.parse("2026-11-30T20:00:00Z");
const suffix = ":http://internal.amazon.com/coral/com.amazon.bedrock/";

function failure(status: number, type: string, message: string, headers: Readonly<Record<string, string>> = {}) {
  const body = JSON.stringify({ message });
  return bedrockConverse.failureFrom({
    status,
    headers: { "x-amzn-errortype": type, "x-amzn-requestid": "req-1", ...headers },
    body,
    wallMs,
  });
}

describe("an error answer", () => {
  test.for([
    [400, "ValidationException", "Malformed input request", "INVALID_REQUEST"],
    [400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account.", "QUOTA_EXHAUSTED"],
    [403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel", "UPSTREAM_AUTH"],
    [403, "UnrecognizedClientException", "The security token included in the request is invalid.", "UPSTREAM_AUTH"],
    [403, "ExpiredTokenException", "The security token included in the request is expired", "UPSTREAM_AUTH"],
    [400, "ExpiredTokenException", "The security token included in the request is expired", "UPSTREAM_AUTH"],
    [403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.", "UPSTREAM_AUTH"],
    [404, "ResourceNotFoundException", "Could not resolve the foundation model from the model identifier.", "MODEL_NOT_FOUND"],
    [408, "ModelTimeoutException", "", "UPSTREAM_UNAVAILABLE"],
    [424, "ModelErrorException", "", "UPSTREAM_UNAVAILABLE"],
    [429, "ThrottlingException", "Too many tokens, please wait before trying again.", "RATE_LIMITED"],
    [429, "ModelNotReadyException", "Model is not ready for inference. Wait and try your request again.", "OVERLOADED"],
    [500, "InternalServerException", "", "UPSTREAM_UNAVAILABLE"],
    [503, "ServiceUnavailableException", "", "OVERLOADED"],
    [413, "", "", "REQUEST_TOO_LARGE"],
  ] as const)("%i %s %s", ([status, type, message, expected]) => {
    for (const written of [type, type + suffix, `com.amazon.bedrock#${type}`]) {
      const error = failure(status, written, message);
      expect(error).toMatchObject({ failure: expected, upstream: { status, requestId: "req-1" } });
      expect(error.message).not.toMatch(/arn:aws|http:/);
    }
  });

  test("is told by the type in its body where there is no header", () => {
    const body = JSON.stringify({ __type: "com.amazon.coral.service#ServiceQuotaExceededException", Message: "no" });
    expect(bedrockConverse.failureFrom({ status: 400, headers: {}, body, wallMs }).failure).toBe("QUOTA_EXHAUSTED");
  });

  test("keeps its words where they are about the caller's request", () => {
    expect(failure(400, "ValidationException", "messages.0.content is blank")).toMatchObject({
      message: "messages.0.content is blank",
      fromUpstream: true,
    });
  });

  test("that asks for a wait is heard", () => {
    expect(failure(429, "ThrottlingException", "slow", { "retry-after": "7" }).retryAfterMs).toBe(7000);
    expect(failure(403, "AccessDeniedException", "no", { "retry-after": "7" }).retryAfterMs).toBeUndefined();
  });

  test.for(["", "<html>no</html>", "{", "[]", "null", '{"message":7}'])("with the body %j is its status", (body) => {
    const error = bedrockConverse.failureFrom({ status: 500, headers: {}, body, wallMs });
    expect(error).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE", message: "bedrock answered 500" });
  });

  test("that is a web page is nobody's fault", () => {
    expect(bedrockConverse.failureFrom({ status: 403, headers: {}, body: "<html>blocked</html>", wallMs }).failure).toBe(
      "UPSTREAM_UNAVAILABLE",
    );
  });
});

describe("a credential that was refused comes with advice:", () => {
  const behind = { date: "Mon, 30 Nov 2026 20:10:00 GMT" };
  test.for([
    [
      "InvalidSignatureException",
      "The request signature we calculated does not match",
      {},
      "the signature does not match: check secret_access_key and region",
    ],
    ["ExpiredTokenException", "expired", {}, "the session token has expired"],
    ["UnrecognizedClientException", "invalid", {}, "the access key or the session token is not known"],
    [
      "InvalidSignatureException",
      "Signature expired: 20261130T195000Z is now earlier than 20261130T200500Z (20261130T201000Z - 5 min.)",
      behind,
      "a signature holds for five minutes, so check this machine's clock; it is 600 s behind",
    ],
    [
      "InvalidSignatureException",
      "Signature not yet current: 20261130T201000Z is still later than 20261130T200500Z (20261130T200000Z + 5 min.)",
      { date: "Mon, 30 Nov 2026 19:50:00 GMT" },
      "a signature holds for five minutes, so check this machine's clock; it is 600 s ahead",
    ],
    ["RequestTimeTooSkewed", "skewed", {}, "a signature holds for five minutes, so check this machine's clock"],
  ] as const)("%s: %s", ([type, message, headers, advice]) => {
    expect(failure(403, type, message, headers)).toMatchObject({
      failure: "UPSTREAM_AUTH",
      message: `bedrock answered 403 (${type}): ${advice}`,
    });
  });

  test("and never with what was signed", () => {
    const words = "The request signature we calculated does not match. The Canonical String should have been\nx-amz-security-token:TOKEN";
    expect(failure(403, "InvalidSignatureException", words).message).not.toContain("TOKEN");
  });
});

/** Bodies as they were seen; each row of the table has one. */
const seen: readonly (readonly [status: number, message: string, means: string, field?: string])[] = [
  [400, "Input is too long for requested model.", "CONTEXT_LENGTH_EXCEEDED"],
  [400, "The model returned the following errors: Input is too long for requested model.", "CONTEXT_LENGTH_EXCEEDED"],
  [400, "The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum", "CONTEXT_LENGTH_EXCEEDED"],
  [
    400,
    "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.",
    "CONTEXT_LENGTH_EXCEEDED",
    "max_output_tokens",
  ],
  [400, "The maximum tokens you requested exceed the model limit of 4096.", "CONTEXT_LENGTH_EXCEEDED", "max_output_tokens"],
  [400, "The provided model identifier is invalid.", "MODEL_NOT_FOUND"],
  [
    400,
    "Invocation of model ID anthropic.claude-3-7-sonnet-20250219-v1:0 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
    "MODEL_NOT_FOUND",
  ],
  [403, "You don't have access to the model with the specified model ID.", "MODEL_NOT_FOUND"],
  [
    403,
    "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions",
    "MODEL_NOT_FOUND",
  ],
  [429, "Too many tokens per day, please wait before trying again.", "QUOTA_EXHAUSTED"],
  [400, "This model doesn't support tool use.", "UNSUPPORTED_FEATURE", "tools"],
  [
    400,
    "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.",
    "UNSUPPORTED_FEATURE",
    "tool_choice",
  ],
  [
    400,
    "This model doesn't support the image field for user messages. Remove image and try again.",
    "UNSUPPORTED_FEATURE",
    "messages.content.image",
  ],
];

describe("known words", () => {
  test.for(seen)("%i %s", ([status, message, means, field]) => {
    expect(failure(status, status === 403 ? "AccessDeniedException" : "ValidationException", message)).toMatchObject({
      failure: means,
      field,
    });
  });

  test("every row was seen", () => {
    for (const { says } of knownBodies)
      expect(
        seen.some(([, message]) => says.test(message.replace("The model returned the following errors: ", ""))),
        String(says),
      ).toBe(true);
  });

  test("count only where a message begins with them: no prompt may choose its own error", () => {
    for (const [status, message] of seen) {
      const { failure: class_ } = failure(status, "ValidationException", `Invalid value: ${message}`);
      expect(class_).toBe(status === 400 ? "INVALID_REQUEST" : status === 403 ? "UPSTREAM_AUTH" : "RATE_LIMITED");
    }
  });
});
