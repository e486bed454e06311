import { describe, expect, test } from "vitest";
import { lookOnNews } from "../../src/stores/look-on-news.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createLocalNews } from "../support/news.ts";

function setUp(random = 0.5) {
  const clock = createFakeClock();
  const news = createLocalNews();
  let looks = 0;
  const stop = lookOnNews("c", { news, clock, random: () => random, look: () => void looks++ });
  return { clock, news, stop, looks: () => looks };
}

describe("who hears news", () => {
  test("looks within a fifth of a second, at a moment of its own", () => {
    for (const [random, ms] of [
      [0, 0],
      [0.5, 100],
      [0.99, 198],
    ] as const) {
      const { clock, news, looks } = setUp(random);
      news.tell("c", "");
      clock.advance(Math.max(0, ms - 1));
      expect(looks()).toBe(ms === 0 ? 1 : 0);
      clock.advance(2);
      expect(looks()).toBe(1);
    }
  });

  test("looks once for all that was said meanwhile, and again for what is said after it", () => {
    const { clock, news, looks } = setUp();
    for (let i = 0; i < 1000; i++) news.tell("c", "x".repeat(i));
    expect(clock.pending()).toBe(1);
    clock.advance(200);
    expect(looks()).toBe(1);
    news.tell("c", "");
    clock.advance(200);
    expect(looks()).toBe(2);
  });

  test("looks where something may have been missed, and not for another channel", () => {
    const { clock, news, looks } = setUp();
    news.tell("d", "");
    clock.advance(1000);
    expect(looks()).toBe(0);
    news.mend();
    clock.advance(200);
    expect(looks()).toBe(1);
  });

  test("stops for good", () => {
    const { clock, news, stop, looks } = setUp();
    news.tell("c", "");
    stop();
    news.tell("c", "");
    clock.advance(1000);
    expect([looks(), clock.pending()]).toEqual([0, 0]);
  });
});
