import { describe, expect, test } from "vitest";
import type { Target } from "../../src/core/catalog.ts";
import { ProviderState } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Counting, Provider } from "../../src/core/provider.ts";
import { countTokens } from "../../src/stages/count-tokens.ts";
import type { PlanSources } from "../../src/stages/plan.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { callOf, healthy, rejection, snapshotOf, targetOf } from "./support.ts";

function sourcesOf(clock: FakeClock = createFakeClock()): PlanSources {
  return {
    clock,
    stateOf: (provider) => (provider === "out" ? ProviderState.DISABLED : ProviderState.ENABLED),
    health: {
      view: () => healthy,
      begin: () => expect.fail("health hears of no count"),
      load: () => 0,
      latencyQuantileMs: () => undefined,
    },
  };
}

/** A call for `m`, at a first target whose provider counts so. */
function callAt(
  counted: Counting["countTokens"] | undefined,
  more: { readonly targets?: readonly Target[]; readonly signal?: AbortSignal } = {},
) {
  const { targets = [targetOf("a/m"), targetOf("b/m")], signal } = more;
  const provider: Provider = {
    name: "a",
    chat: () => expect.fail("nobody is called"),
    ...(counted !== undefined && { counting: { countTokens: counted } }),
  };
  const snapshot = { ...snapshotOf(targets), providers: new Map([["a", provider]]) };
  return callOf(chatRequest("hello", { model: "m" }), { snapshot, ...(signal !== undefined && { signal }) });
}

const estimate = { inputTokens: 9, estimated: true, provider: "a" };

describe("a count", () => {
  test("is that of the provider which would be tried first", async () => {
    const asked: Target[] = [];
    const call = callAt((request, target) => {
      expect(request.model).toBe("m");
      asked.push(target);
      return Promise.resolve(4711);
    });
    expect(await countTokens(call, sourcesOf())).toEqual({ inputTokens: 4711, estimated: false, provider: "a" });
    expect(asked.map(({ id }) => id)).toEqual(["a/m"]);
  });

  test("is our estimate where the provider has no counter, or nobody could serve the call", async () => {
    expect(await countTokens(callAt(undefined), sourcesOf())).toEqual(estimate);
    const nobody = callAt(() => expect.fail("a disabled provider is not asked"), { targets: [targetOf("out/m")] });
    expect(await countTokens(nobody, sourcesOf())).toEqual({ ...estimate, provider: "" });
  });

  test("of a prompt that is too long is asked for all the same", async () => {
    const capabilities = { $typeName: "semaroute.v1.ModelCapabilities", contextTokens: 5 } as const;
    const call = callAt(() => Promise.resolve(8), { targets: [targetOf("a/m", { capabilities })] });
    expect(await countTokens(call, sourcesOf())).toEqual({ inputTokens: 8, estimated: false, provider: "a" });
  });

  test.each(["UPSTREAM_AUTH", "RATE_LIMITED", "INVALID_REQUEST", "UPSTREAM_PROTOCOL"] as const)(
    "that fails with %s is the estimate",
    async (failure) => {
      expect(
        await countTokens(
          callAt(() => Promise.reject(new ChatError(failure, "no"))),
          sourcesOf(),
        ),
      ).toEqual(estimate);
    },
  );

  test("that does not come in time is the estimate", async () => {
    const clock = createFakeClock();
    const waiting = countTokens(
      callAt((_request, _target, signal) => untilAborted(signal)),
      sourcesOf(clock),
    );
    clock.advance(5000);
    expect(await waiting).toEqual(estimate);
  });

  test("ends with the call, for the call's reason", async () => {
    const leave = new AbortController();
    const waiting = countTokens(
      callAt((_request, _target, signal) => untilAborted(signal), { signal: leave.signal }),
      sourcesOf(),
    );
    leave.abort(new ChatError("DEADLINE_EXCEEDED", "too late"));
    expect(await rejection(waiting)).toMatchObject({ failure: "DEADLINE_EXCEEDED" });
  });

  test("of a bug is a bug", async () => {
    await expect(
      countTokens(
        callAt(() => Promise.reject(new TypeError("oops"))),
        sourcesOf(),
      ),
    ).rejects.toBeInstanceOf(TypeError);
  });

  test("of a model that is not known is refused", async () => {
    const call = callOf(chatRequest("hello", { model: "other" }), { snapshot: snapshotOf([targetOf("a/m")]) });
    expect(await rejection(countTokens(call, sourcesOf()))).toMatchObject({ failure: "MODEL_NOT_FOUND" });
  });
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
