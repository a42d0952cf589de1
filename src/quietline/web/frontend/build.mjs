// Bundles the page: `npm run build` writes ../static/bundle. No address of a registry or machine ends up in it.
import { build } from "esbuild";
import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bundle = join(here, "..", "static", "bundle");

await rm(bundle, { recursive: true, force: true });
await mkdir(bundle, { recursive: true });
const common = { bundle: true, minify: true, target: "es2022", outdir: bundle, legalComments: "eof", logLevel: "warning" };
await build({ ...common, entryPoints: [join(here, "desk.js"), join(here, "floor.js"), join(here, "security.js"), join(here, "receipt.js")], format: "esm", define: { global: "globalThis" } });
await build({ ...common, entryPoints: [join(here, "theme.js")], format: "iife" });
await build({
  ...common,
  entryPoints: ["desk.css", "floor.css", "security.css", "receipt.css"].map((name) => join(here, name)),
  loader: { ".woff2": "file" },
  assetNames: "[name]",
});
await cp(join(here, "mark.svg"), join(bundle, "mark.svg"));
