import { expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { failureFromTransport } from "../../../src/providers/wire/transport-failure.ts";

for (const { code, failure, text } of [
  { code: "ECONNREFUSED", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream refused the connection" },
  { code: "ECONNRESET", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream reset the connection" },
  { code: "EPIPE", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream closed the connection" },
  { code: "ENOTFOUND", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's name is not known" },
  { code: "EAI_AGAIN", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's name could not be looked up" },
  { code: "UND_ERR_CONNECT_TIMEOUT", failure: "UPSTREAM_UNAVAILABLE", text: "connecting to the upstream took too long" },
  { code: "UND_ERR_SOCKET", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream closed the connection" },
  { code: "ESOMETHING", failure: "UPSTREAM_UNAVAILABLE", text: "the connection to the upstream broke" },
  { code: "UND_ERR_HEADERS_TIMEOUT", failure: "TIMEOUT", text: "the upstream sent no headers in time" },
  { code: "UND_ERR_BODY_TIMEOUT", failure: "TIMEOUT", text: "the upstream's body stopped" },
  { code: "HPE_INVALID_CONSTANT", failure: "UPSTREAM_PROTOCOL", text: "the upstream's answer is not valid HTTP" },
  { code: "HTTPParserError", failure: "UPSTREAM_PROTOCOL", text: "the upstream's answer is not valid HTTP" },
  { code: "UND_ERR_HEADERS_OVERFLOW", failure: "UPSTREAM_PROTOCOL", text: "the upstream's answer is not valid HTTP" },
  { code: "UND_ERR_RES_CONTENT_LENGTH_MISMATCH", failure: "UPSTREAM_PROTOCOL", text: "the upstream's answer is not valid HTTP" },
  { code: "CERT_HAS_EXPIRED", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's TLS failed" },
  { code: "DEPTH_ZERO_SELF_SIGNED_CERT", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's TLS failed" },
  { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's TLS failed" },
  { code: "ERR_TLS_CERT_ALTNAME_INVALID", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's TLS failed" },
  { code: "ERR_SSL_WRONG_VERSION_NUMBER", failure: "UPSTREAM_UNAVAILABLE", text: "the upstream's TLS failed" },
]) {
  test(`${code} is ${failure}, in words that quote nothing`, () => {
    const cause = Object.assign(new Error("connect 10.0.0.1:443 with Bearer sk-secret"), { code });
    const error = failureFromTransport(cause);
    expect(error).toMatchObject({ failure, message: `${text} (${code})`, cause });
  });
}

test("an error without a code goes by its name", () => {
  expect(failureFromTransport(new RangeError("oops")).message).toBe("the connection to the upstream broke (RangeError)");
});

test("what is ours already stays as it is", () => {
  const error = new ChatError("TIMEOUT", "too slow");
  expect(failureFromTransport(error)).toBe(error);
});
