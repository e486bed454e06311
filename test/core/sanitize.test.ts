import { describe, expect, test } from "vitest";
import { sanitized, shownId } from "../../src/core/sanitize.ts";

describe("an upstream's words", () => {
  const secrets = [
    "Incorrect key sk-proj-abcd1234EFGH5678",
    "header Bearer abc.def",
    "in organization org-AbC123xyz",
    "at https://my-deployment.openai.azure.com/x?k=1",
    "token AIzaSyA1234567890abcdef",
    "id 0123456789abcdef0123456789abcdef0123",
    "key sk-****abcd",
    "key sk-ant-api03-abcdefgh_IJK-1",
    "authorization Basic dXNlcjpwYXNz",
    "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
  ];
  for (const secret of secrets)
    test(`lose the secret of "${secret}"`, () => {
      const text = sanitized(`no: ${secret} end`);
      expect(text).toMatch(/^no: .*\[removed\] end$/);
      expect(text).not.toContain(secret.split(" ").at(-1));
    });

  test("stay as they are where there is none", () => {
    expect(sanitized("Invalid 'messages[0].content': expected a string")).toBe("Invalid 'messages[0].content': expected a string");
  });

  test("are one line", () => expect(sanitized("\ta\r\n\u0000b\u0085c ")).toBe("a b c"));

  test("are cut to a KiB between words, so that no half of a key is left that nothing would recognize", () => {
    const text = sanitized(`${"word ".repeat(202)}gateway-password-of-ours ${"word ".repeat(5000)}`);
    expect(text.length).toBeLessThanOrEqual(1024);
    expect(text).toMatch(/word…$/);
    expect(text).not.toContain("gateway");
  });

  test("of one endless word are cut inside it, never inside a character", () => {
    const text = sanitized("😀".repeat(5000));
    expect(text.length).toBeLessThanOrEqual(1024);
    expect(text.isWellFormed()).toBe(true);
  });
});

test.each([
  ["req_011CZ", "req_011CZ"],
  ["a b", ""],
  ["a\r\nset-cookie: x", ""],
  ["x".repeat(129), ""],
  [undefined, ""],
])("the id %j is shown as %j", (id, shown) => expect(shownId(id)).toBe(shown));
