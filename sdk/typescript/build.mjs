// Compiles the package into a folder: dist, or the argument. ES modules are in the folder itself,
// CommonJS modules in its folder cjs. Both have the same declarations, each beside its module, since
// TypeScript reads the kind of a module from the nearest package.json. The file browser.js is the
// root entry in one file, for pages that load it without a bundler.
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const root = import.meta.dirname;
const out = resolve(process.argv[2] ?? join(root, "dist"));
const cjs = join(out, "cjs");
rmSync(out, { recursive: true, force: true });

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "--project", root, "--outDir", out], { stdio: "inherit" });

const files = readdirSync(out, { recursive: true });
const modules = files.filter((file) => file.endsWith(".js")).map((file) => join(out, file));
await build({ entryPoints: modules, outbase: out, outdir: cjs, format: "cjs", platform: "node", target: "node20", logLevel: "error" });
for (const file of files.filter((file) => file.endsWith(".d.ts"))) {
  cpSync(join(out, file), join(cjs, file));
}
await build({ entryPoints: [join(out, "index.js")], outfile: join(out, "browser.js"), bundle: true, minify: true, format: "esm", platform: "browser", target: "es2022", logLevel: "error" });
writeFileSync(join(cjs, "package.json"), `${JSON.stringify({ type: "commonjs", sideEffects: false })}\n`);
