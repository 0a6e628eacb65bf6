// Bundles what programs import of the compiled SDK, for browsers, and fails when it is larger after
// gzip than its limit, or needs a package or a module of Node. Argument: the folder of the SDK.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const limits = [
  ["everything in the root entry", `export * from "./index.js"`, 15_000],
  ["the context of threads", `export * from "./context.js"`, 5_000],
  ["the client of HXA-Connect", `export * from "./hxa/index.js"`, 12_000],
  ["every operation as a function", `export * from "./operations.js"`, 7_000],
  ["the bridges to frameworks", `export * from "./bridges/index.js"`, 9_700],
  ["one operation", `export { getThread } from "./operations.js"; export { httpTransport } from "./index.js"`, 3_700],
];
for (const [what, contents, limit] of limits) {
  const options = { stdin: { contents, resolveDir: process.argv[2] }, bundle: true, minify: true, format: "esm", platform: "browser", write: false, packages: "external", metafile: true };
  const { outputFiles, metafile } = await build({ ...options, logLevel: "error" });
  const needed = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (needed.length > 0) throw new Error(`${what} imports ${needed}`);
  const inputs = Object.keys(metafile.inputs);
  if (!contents.includes("./hxa/") && inputs.some((path) => path.endsWith("/hxa/connection.js"))) throw new Error(`${what} includes the client of HXA-Connect`);
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`typescript: ${what}: ${size} bytes after gzip`);
  if (size > limit) throw new Error(`${what} has ${size} bytes after gzip: the limit is ${limit}`);
}
