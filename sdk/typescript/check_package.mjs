// Installs the tarball that pack.mjs wrote, and checks that programs of both kinds of modules get the
// same exports from every entry, that only those for Node need its modules, and that the licence
// is inside. Argument: the folder of the tarball.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = resolve(process.argv[2]);
const [tarball, ...others] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
assert.equal(others.length, 0, "more than one tarball");
const installed = join(folder, "program/node_modules/@b2b-protocol/sdk");
mkdirSync(installed, { recursive: true });
execFileSync("tar", ["-xzf", join(folder, tarball), "-C", installed, "--strip-components=1"]);

assert.equal(readFileSync(join(installed, "LICENSE"), "utf8"), readFileSync(join(import.meta.dirname, "../../LICENSE"), "utf8"));
const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
assert.equal(tarball, `b2b-protocol-sdk-${manifest.version}.tgz`);

const allowedImports = [
  [/^\.\/(node|testing\/real)$/, /^node:/],
  [/^\.\/(connect|b2b\/v1\/.*)$/, /^@bufbuild\/protobuf(\/|$)/],
];
const require = createRequire(join(folder, "program/program.cjs"));
const entries = Object.keys(manifest.exports).filter((entry) => entry !== "./package.json");
for (const pattern of entries) {
  const entry = pattern.replace("*", "bot");
  const name = join(manifest.name, entry);
  const imported = await import(pathToFileURL(join(installed, manifest.exports[pattern].import.default.replace("*", "bot"))));
  const required = require(name);
  const names = Object.keys(imported).sort();
  assert.notEqual(names.length, 0, `${name} exports nothing`);
  assert.deepEqual(Object.keys(required).sort(), names, `${name}: import and require have other exports`);

  const stdin = { contents: `export * from "${name}"`, resolveDir: join(folder, "program") };
  const { metafile } = await build({ stdin, bundle: true, format: "esm", platform: "browser", write: false, external: ["node:*", "@bufbuild/protobuf"], metafile: true, logLevel: "error" });
  const needed = new Set(Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path)));
  const allowed = allowedImports.find(([some]) => some.test(entry))?.[1] ?? /^$/;
  for (const path of needed) assert.match(path, allowed, `an import of ${name}`);
}

const page = join(installed, manifest.unpkg);
assert.doesNotMatch(readFileSync(page, "utf8"), /\bimport\s*["'{(*]|\brequire\(/, "the file for pages imports others");
assert.deepEqual(Object.keys(await import(pathToFileURL(page))).sort(), Object.keys(require(manifest.name)).sort());
console.log(`typescript: ${entries.length} entries of ${tarball}, imported and required`);
