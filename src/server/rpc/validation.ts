import { create, type DescService } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, RuntimeError, CompilationError, ValidationError, type Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";

import { type CallRequest, isEmbedRequest } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { parseCallerJson } from "../../core/json.ts";
import { reservedFields } from "../../core/reserved.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";

/** One validator for all services; the rules of their requests are compiled now instead of during the first calls. */
export function createWarmValidator(services: readonly DescService[]): Validator {
  const all = createValidator();
  const first = createValidator({ failFast: true });
  for (const service of services) {
    for (const { input } of service.methods) for (const validator of [all, first]) validator.validate(input, create(input));
  }
  return {
    validate(schema, message) {
      const result = first.validate(schema, message);
      return result.kind === "invalid" && isSmall(message) ? all.validate(schema, message) : result;
    },
  };
}

/** Values of a message of which all problems are told; of a larger one the first, for each may have thousands. */
const toldValuesMax = 1000;

function isSmall(message: object): boolean {
  const open: object[] = [message];
  let values = 0;
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (each instanceof Uint8Array) continue;
    for (const key in each) {
      if (++values > toldValuesMax) return false;
      const value: unknown = Reflect.get(each, key);
      if (typeof value === "object" && value !== null) open.push(value);
    }
  }
  return true;
}

/** Refuses requests that break the rules of the .proto, with a BadRequest that names every field, or the first where there is much of everything. */
export function validation(validator: Validator): Interceptor {
  const validate = createValidateInterceptor({ validator });
  return (next) => {
    const validated = validate(next);
    return async (request) => {
      try {
        return await validated(request);
      } catch (thrown) {
        throw thrown instanceof ConnectError ? withOurDetails(thrown) : thrown;
      }
    };
  };
}

function withOurDetails(error: ConnectError): Error {
  // A rule that cannot be evaluated is our bug and not the caller's fault.
  if (error.cause instanceof RuntimeError || error.cause instanceof CompilationError)
    return new ChatError("INTERNAL", "internal error", { cause: error.cause });
  if (!(error.cause instanceof ValidationError)) return error;
  const problems = error.cause.violations.map((violation): FieldProblem => {
    const field = pathToString(violation.field);
    return { field, description: violation.message };
  });
  const first = problems[0];
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : "";
  const text = first === undefined ? "invalid request" : `${first.field === "" ? "" : `${first.field}: `}${first.description}${more}`;
  return createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems, cause: error.cause });
}

/**
 * Refuses extensions that are not JSON objects, and those of the request itself that would decide what semaroute
 * decides. The names are those of all dialects: one that means nothing to an issuer would not be sent there anyway.
 */
export function refuseReservedExtensions(request: Readonly<CallRequest>): void {
  for (const issuer in request.extensionsJson) {
    const path = `extensions_json.${issuer}`;
    const extension = extensionObject(request.extensionsJson[issuer], path);
    for (const key of Object.keys(extension)) {
      const name = snakeCase(key);
      if (reservedFields.has(name)) throw reservedKey(`${path}.${key}`);
      const inner = reservedInside.get(name);
      const value = extension[key];
      if (inner === undefined || !isObject(value)) continue;
      for (const nested of Object.keys(value)) if (inner.has(snakeCase(nested))) throw reservedKey(`${path}.${key}.${nested}`);
    }
  }
  if (isEmbedRequest(request)) return;
  // Nearly always there is nothing: paths are made for those that have something.
  for (const [m, message] of request.messages.entries()) {
    if (isFilled(message.extensionsJson)) refuseNonObjects(message.extensionsJson, `messages[${m}]`);
    for (const [p, part] of message.content.entries())
      if (isFilled(part.extensionsJson)) refuseNonObjects(part.extensionsJson, `messages[${m}].content[${p}]`);
  }
  for (const [t, tool] of request.tools.entries()) if (isFilled(tool.extensionsJson)) refuseNonObjects(tool.extensionsJson, `tools[${t}]`);
}

function isFilled(map: Readonly<Record<string, string>>): boolean {
  for (const _ in map) return true;
  return false;
}

/** What the request itself decides, one level down, where a dialect keeps it there. */
const reservedInside: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["generation_config", new Set(["candidate_count", "max_output_tokens"])],
  ["inference_config", new Set(["max_tokens"])],
  ["metadata", new Set(["user_id"])],
]);

function reservedKey(path: string): ChatError {
  return new ChatError("INVALID_REQUEST", `${path} is decided by the request itself and cannot be set by an extension`, { field: path });
}

function refuseNonObjects(extensions: Readonly<Record<string, string>>, owner: string): void {
  for (const issuer in extensions) extensionObject(extensions[issuer], `${owner}.extensions_json.${issuer}`);
}

function extensionObject(text: string | undefined, field: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseCallerJson(text ?? "");
  } catch (cause) {
    throw new ChatError("INVALID_REQUEST", `${field} is not valid JSON of a sane depth and size`, { field, cause });
  }
  if (!isObject(value)) throw new ChatError("INVALID_REQUEST", `${field} is not a JSON object`, { field });
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
