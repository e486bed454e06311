/** Makes everything that is generated: the printed rules of protovalidate, gen/ from all .proto files, and the configuration's JSON Schema. */
import { mkdirSync, writeFileSync } from "node:fs";
import { configurationSchema } from "../src/config/json-schema.ts";
import { printValidateProto } from "./print-validate-proto.ts";
import { run } from "./run.ts";

mkdirSync("third_party/buf/validate", { recursive: true });
writeFileSync("third_party/buf/validate/validate.proto", printValidateProto());
await run("buf", ["format", "-w", "proto"]);
await run("buf", ["generate"]);
writeFileSync("config.schema.json", `${JSON.stringify(configurationSchema(), null, 2)}\n`);
