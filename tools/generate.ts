/** Makes everything that is generated: the printed rules of protovalidate, and gen/ from all .proto files. */
import { mkdirSync, writeFileSync } from "node:fs";
import { printValidateProto } from "./print-validate-proto.ts";
import { run } from "./run.ts";

mkdirSync("third_party/buf/validate", { recursive: true });
writeFileSync("third_party/buf/validate/validate.proto", printValidateProto());
await run("buf", ["format", "-w", "proto"]);
await run("buf", ["generate"]);
