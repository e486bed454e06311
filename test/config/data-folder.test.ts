import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { adminToken, dataFolder } from "../../src/config/data-folder.ts";
import { Secret } from "../../src/core/secret.ts";
import { folderWith } from "./workspace.ts";

describe("the data folder is", () => {
  test.for([
    {
      name: "beside the configuration file",
      path: "/etc/semaroute/config.yaml",
      environment: { XDG_STATE_HOME: "/x" },
      folder: "/etc/semaroute/data",
    },
    { name: "the user's folder for state", path: undefined, environment: { XDG_STATE_HOME: "/x", HOME: "/h" }, folder: "/x/semaroute" },
    { name: "below the home folder by default", path: undefined, environment: { HOME: "/h" }, folder: "/h/.local/state/semaroute" },
    { name: "not relative", path: undefined, environment: { XDG_STATE_HOME: "x", HOME: "/h" }, folder: "/h/.local/state/semaroute" },
  ])("$name", ({ path, environment, folder }) => expect(dataFolder(path, environment)).toBe(folder));
});

const minted = (folder: string) => {
  const result = adminToken(undefined, folder);
  if (result.kind !== "minted") throw new Error(result.kind);
  return { token: result.token.reveal(), path: result.path };
};

describe("the admin token", () => {
  test("is the configured one, and then nothing is written", () => {
    const folder = folderWith({});
    expect(adminToken(new Secret("mine", "config"), folder)).toMatchObject({ kind: "configured" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is minted into a file that only its owner can read, and kept over restarts", () => {
    const folder = join(folderWith({}), "deep", "data");
    const first = minted(folder);
    expect(first.path).toBe(join(folder, "admin-token"));
    expect(first.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(statSync(first.path).mode & 0o777).toBe(0o600);
    expect(readFileSync(first.path, "utf8").trim()).toBe(first.token);
    expect(readdirSync(folder)).toEqual(["admin-token"]);
    expect(minted(folder)).toEqual(first);
  });

  test.for([
    { name: "is empty", spoil: (path: string) => writeFileSync(path, "") },
    { name: "was cut short", spoil: (path: string) => writeFileSync(path, "abc\n") },
    { name: "others can read", spoil: (path: string) => chmodSync(path, 0o644) },
  ])("is another one where the file $name", ({ spoil }) => {
    const folder = folderWith({});
    const first = minted(folder);
    spoil(first.path);
    const second = minted(folder);
    expect(second.token).not.toBe(first.token);
    expect(second.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(statSync(second.path).mode & 0o777).toBe(0o600);
  });

  test("does not follow a link that somebody laid", () => {
    const folder = folderWith({ victim: "untouched" });
    symlinkSync(join(folder, "victim"), join(folder, "admin-token"));
    minted(folder);
    expect(readFileSync(join(folder, "victim"), "utf8")).toBe("untouched");
  });

  test("that cannot be kept is a problem that says where and what helps", () => {
    const folder = folderWith({ data: "a file, not a folder" });
    const result = adminToken(undefined, join(folder, "data"));
    expect(result).toMatchObject({ kind: "refused", problem: { path: "admin.token" } });
    expect(result.kind === "refused" && result.problem.message).toMatch(
      /^not set, and none can be kept in .*admin-token: .*; set admin\.token/,
    );
  });

  test("that is a folder is a problem too", () => {
    const folder = folderWith({});
    mkdirSync(join(folder, "admin-token"));
    expect(adminToken(undefined, folder).kind).toBe("refused");
    expect(readdirSync(folder)).toEqual(["admin-token"]);
  });
});
