// The package as it is installed, for programs of tests.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const sdk = process.env.B2B_SDK;

/** Makes a folder for a program, in which the package is installed, until the end of the test. */
export function programFolder(t) {
  const folder = mkdtempSync(join(sdk, "../program-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const installed = join(folder, "node_modules/@b2b-protocol/sdk");
  mkdirSync(installed, { recursive: true });
  cpSync(join(here, "../package.json"), join(installed, "package.json"));
  symlinkSync(sdk, join(installed, "dist"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  return folder;
}

/** Runs a script of Node in a folder, and returns its output. */
export function run(folder, env, ...args) {
  try {
    return execFileSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: 120_000, env: { ...process.env, ...env } });
  } catch (error) {
    assert.fail(`${error.message}\n${error.stdout}`);
  }
}

/** Compiles the program in a folder, as its tsconfig.json says. */
export function compile(folder) {
  run(folder, {}, createRequire(import.meta.url).resolve("typescript/bin/tsc"));
}
