import { expect, test } from "vitest";
import { createUnfencer, unfenced } from "../../src/core/unfence.ts";

const cases = [
  { what: "a fence with its language", text: '```json\n{"a":1}\n```', is: '{"a":1}' },
  { what: "a bare one", text: '```\n{"a":1}\n```\n', is: '{"a":1}' },
  { what: "one in capitals with other line ends and room around it", text: ' \n```JSON \r\n{"a":1}\r\n``` \n', is: '{"a":1}' },
  { what: "one that was cut off", text: '```json\n{"a":', is: '{"a":' },
  { what: "lines and grave accents inside", text: '```json\n{\n"a": "``"\n}\n```', is: '{\n"a": "``"\n}' },
  { what: "no fence", text: '{"a":"```"}\n', is: '{"a":"```"}\n' },
  { what: "a fence behind words", text: "Here:\n```json\n{}\n```", is: "Here:\n```json\n{}\n```" },
  { what: "another language", text: "```python\nprint()\n```", is: "```python\nprint()\n```" },
  { what: "words behind the fence", text: "```json\n{}\n```\nDone.", is: "{}\n```\nDone." },
  { what: "an opening and no more", text: "```", is: "```" },
  { what: "nothing", text: "", is: "" },
];

test.each(cases)("$what, whole and cut anywhere", ({ text, is }) => {
  expect(unfenced(text)).toBe(is);
  for (let cut = 0; cut <= text.length; cut++) {
    const unfencer = createUnfencer();
    expect(unfencer.push(text.slice(0, cut)) + unfencer.push(text.slice(cut)) + unfencer.end()).toBe(is);
  }
  const unfencer = createUnfencer();
  expect(
    Array.from(text)
      .map((each) => unfencer.push(each))
      .join("") + unfencer.end(),
  ).toBe(is);
});
