/** Rows of the matrix that Python's packages make; clients.py has a function of the same name for each. */
import type { Need } from "../matrix/columns.ts";

/** One kind of call of one package. */
export interface PythonRow {
  /** The package's name, as in requirements.txt. */
  readonly client: string;
  readonly call: string;
  readonly needs?: readonly Need[];
}

/** In the order in which they are shown. */
export const pythonRows: readonly PythonRow[] = [
  { client: "openai", call: "chat.completions.create" },
  { client: "openai", call: "chat.completions.create, stream" },
  { client: "openai", call: "chat.completions.create, async" },
  { client: "openai", call: "chat.completions.stream() helper" },
  { client: "openai", call: "chat.completions.parse with a model of pydantic", needs: ["schema"] },
  { client: "openai", call: "chat.completions.create, tools by hand, two calls at once", needs: ["tools"] },
  { client: "openai", call: "embeddings.create, by default and float", needs: ["embeddings"] },
  { client: "openai", call: "models.list, models.retrieve" },
  { client: "openai", call: "responses.create" },
  { client: "openai", call: "responses.create, stream" },
  { client: "openai", call: "responses.parse with a model of pydantic", needs: ["schema"] },
  { client: "openai", call: "responses.create, function loop, two calls at once", needs: ["tools"] },
  { client: "openai", call: "responses.stream() helper, function loop", needs: ["tools"] },
  { client: "anthropic", call: "messages.create, x-api-key" },
  { client: "anthropic", call: "messages.create, bearer token" },
  { client: "anthropic", call: "messages.create, async" },
  { client: "anthropic", call: "messages.stream() helper" },
  { client: "anthropic", call: "messages.create, tools by hand, two calls at once", needs: ["tools"] },
  { client: "anthropic", call: "beta.messages.tool_runner", needs: ["tools"] },
  { client: "anthropic", call: "messages.create with thinking, and back", needs: ["thinking"] },
  { client: "anthropic", call: "messages.count_tokens" },
  { client: "anthropic", call: "models.list, models.retrieve" },
];
