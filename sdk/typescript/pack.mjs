// Writes the npm package: node pack.mjs FOLDER compiles it in FOLDER/package and puts its tarball
// into FOLDER. The same sources give the same bytes.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(process.argv[2]);
const staged = join(folder, "package");
mkdirSync(staged, { recursive: true });
execFileSync(process.execPath, [join(import.meta.dirname, "build.mjs"), join(staged, "dist")], { stdio: "inherit" });
for (const file of ["LICENSE", "README.md", "package.json"]) {
  copyFileSync(join(import.meta.dirname, file), join(staged, file));
}
execFileSync("npm", ["pack", staged, "--ignore-scripts", "--silent", "--pack-destination", folder], { stdio: ["ignore", "ignore", "inherit"] });
