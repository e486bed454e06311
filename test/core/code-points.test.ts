import { expect, test } from "vitest";
import { codePoints } from "../../src/core/code-points.ts";

test.each(["", "abc", "wörld", "🦙🦙", "a🦙b", "\ud83e", "\udd99\ud83e", "👩‍👩‍👧"])(
  "%j has as many code points as it has characters",
  (text) => {
    expect(codePoints(text)).toBe(Array.from(text).length);
  },
);
