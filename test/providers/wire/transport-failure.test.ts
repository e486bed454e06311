import { expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { failureFromTransport } from "../../../src/providers/wire/transport-failure.ts";

const scene = { who: "provider up", inHead: false };

for (const { code, failure, text, final = false } of [
  { code: "ECONNREFUSED", failure: "UPSTREAM_UNAVAILABLE", text: "provider up refused the connection" },
  { code: "ECONNRESET", failure: "UPSTREAM_UNAVAILABLE", text: "provider up reset the connection" },
  { code: "EPIPE", failure: "UPSTREAM_UNAVAILABLE", text: "provider up closed the connection" },
  { code: "ENOTFOUND", failure: "UPSTREAM_UNAVAILABLE", text: "provider up has a host name that is not known" },
  { code: "EAI_AGAIN", failure: "UPSTREAM_UNAVAILABLE", text: "provider up has a host name that could not be looked up" },
  { code: "EHOSTUNREACH", failure: "UPSTREAM_UNAVAILABLE", text: "provider up is on a host that cannot be reached" },
  { code: "EMFILE", failure: "SHED", text: "provider up could not be called: this process has no file descriptor left" },
  { code: "UND_ERR_CONNECT_TIMEOUT", failure: "UPSTREAM_UNAVAILABLE", text: "provider up could not be connected to in time" },
  { code: "UND_ERR_SOCKET", failure: "UPSTREAM_UNAVAILABLE", text: "provider up closed the connection" },
  { code: "ESOMETHING", failure: "UPSTREAM_UNAVAILABLE", text: "provider up could not be called: its connection broke" },
  { code: "UND_ERR_HEADERS_TIMEOUT", failure: "TIMEOUT", text: "provider up sent no headers in time" },
  { code: "UND_ERR_BODY_TIMEOUT", failure: "TIMEOUT", text: "provider up fell silent in its answer" },
  ...["HPE_INVALID_CONSTANT", "HTTPParserError", "UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"].map((each) => ({
    code: each,
    failure: "UPSTREAM_PROTOCOL",
    text: "provider up sent an answer that is not valid HTTP",
  })),
  ...[
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "ERR_SSL_WRONG_VERSION_NUMBER",
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    "EPROTO",
  ].map((each) => ({
    code: each,
    failure: "UPSTREAM_UNAVAILABLE",
    text: "the TLS handshake with provider up failed",
    final: true,
  })),
]) {
  test(`${code} is ${failure}, in words that quote nothing`, () => {
    const cause = Object.assign(new Error("connect 10.0.0.1:443 with Bearer sk-secret"), { code });
    const error = failureFromTransport(cause, scene);
    expect(error).toMatchObject({ failure, message: `${text} (${code})`, final, cause });
  });
}

test("a connection that ends within the head is no HTTP; one that is reset there is a broken one", () => {
  const of = (code: string) => failureFromTransport(Object.assign(new Error("x"), { code }), { ...scene, inHead: true });
  expect(of("UND_ERR_SOCKET")).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
  expect(of("ECONNRESET")).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
});

test("an error without a code goes by its name", () => {
  const { message } = failureFromTransport(new RangeError("oops"), scene);
  expect(message).toBe("provider up could not be called: its connection broke (RangeError)");
});

test("what is ours already stays as it is", () => {
  const error = new ChatError("TIMEOUT", "too slow");
  expect(failureFromTransport(error, scene)).toBe(error);
});
