// Start Pyodide as a page does, import what a start imports, and let compiling.py write the archives anew:
// node bytecode.mjs FOLDER TARGET MODULE…, where FOLDER is what live.assemble made.
import fs from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, target, ...modules] = process.argv.slice(2);
const { loadPyodide } = createRequire(import.meta.url)("pyodide");
const { lock, packages, bytes } = JSON.parse(fs.readFileSync(`${folder}/manifest.json`));
const python = await loadPyodide({ indexURL: `${resolve(folder)}/`, lockFileURL: `${resolve(folder)}/${lock}`, packages, stdout: () => {} });
python.mountNodeFS("/old", resolve(folder));
python.mountNodeFS("/new", resolve(target));
const run = (text) => python.runPython(text, { globals: scope });
const scope = python.toPy({ __name__: "compiling", modules, names: Object.keys(bytes) });
run(`
import importlib
for name in modules:
    importlib.import_module(name)
`);
run(fs.readFileSync(new URL("compiling.py", import.meta.url), "utf8"));
run(`
wanted = imported()
for name in names:
    if name.endswith((".whl", ".zip")) and not name.startswith("dlnbook"):
        replace(Path("/old", name), Path("/new", name), wanted)
`);
process.exit(0);
