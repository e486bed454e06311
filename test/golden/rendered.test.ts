/** Every recorded answer at every door, as it was reviewed; `vitest -u` writes the files anew, and without them CI fails. */
import { describe, expect, test } from "vitest";
import { type ChatEvent } from "../../src/core/chat.ts";
import { type ChatError, chatErrorFrom } from "../../src/core/error.ts";
import { createFolder } from "../../src/core/fold.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { type Answer, answersOf } from "./answers.ts";
import { type DialectRow, dialects } from "./dialects.ts";
import { type DoorRow, doors } from "./doors.ts";
import { play } from "./play.ts";
import { strayFiles } from "./stray-files.ts";

/** What became of an answer on its way to the doors. */
interface Played {
  readonly events: readonly ChatEvent[];
  readonly error: ChatError | undefined;
  /** The error came before anything else. */
  readonly refused: boolean;
}

async function played(row: DialectRow, answer: Answer): Promise<Played> {
  let stream: ChatStream;
  try {
    stream = await play(row, answer);
  } catch (thrown) {
    return { events: [], error: chatErrorFrom(thrown), refused: true };
  }
  const events: ChatEvent[] = [];
  try {
    for await (const batch of stream.batches) events.push(...batch);
  } catch (thrown) {
    return { events, error: chatErrorFrom(thrown), refused: false };
  }
  return { events, error: undefined, refused: false };
}

/** The file's name says whether a stream was asked for, also where an error came instead. */
function fileOf({ name, streamed }: Answer, { streamEnding }: DoorRow, { refused }: Played): string {
  if (refused) return `${name}.refused.json`;
  return streamed ? `${name}.${streamEnding}` : `${name}.json`;
}

function rendered(door: DoorRow, answer: Answer, { events, error, refused }: Played): string {
  if (error !== undefined && refused) return door.refused(error);
  if (answer.streamed) return door.stream(events, error);
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return door.whole(folder.response());
}

for (const door of doors) {
  describe.each(dialects)(`at ${door.name}, of $name,`, (row) => {
    const answers = answersOf(row);
    const files: string[] = [];

    test.each(answers)("$name (streamed: $streamed)", async (answer) => {
      const found = await played(row, answer);
      const file = fileOf(answer, door, found);
      files.push(file);
      await expect(rendered(door, answer, found)).toMatchFileSnapshot(`rendered/${door.name}/${row.name}/${file}`);
    });

    test("there is no file of a case that is no more", () => {
      expect(strayFiles(`rendered/${door.name}/${row.name}`, files)).toEqual([]);
    });
  });
}
