// Python in a worker, so that the page stays responsive: Pyodide, with the Python half of JupyterLite's kernel.
// Messages in: start, run, comm, renew. Messages out: progress, ready, failed, output, ran, comm, answered, renewed.
"use strict";

// What a worker cannot have (threads) or a reader need not know (the font cache), and tracebacks without colors.
const QUIET = `
import logging, warnings
from pyodide_kernel import ipython_shell
warnings.filterwarnings("ignore", "tqdm:disabling monitor")
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
ipython_shell.run_line_magic("colors", "NoColor")
`;
const HOME = "/home/pyodide";
const STREAM_PAUSE = 60; // ms between two messages with printed text
const STREAM_LIMIT = 200_000; // characters a run may print
let pyodide, kernel, shell, plain, session, kept;
let current = null; // what is being run or answered: the owner of whatever is shown meanwhile
let printed = { name: "", text: "", sent: 0, at: 0 };

const show = (output) => postMessage({ type: "output", owner: current, output });

function flush() {
  if (printed.text) show({ type: "stream", name: printed.name, text: printed.text });
  printed.text = "";
  printed.at = performance.now();
}

// A loop that prints must not drown the page in messages.
function print(name, text) {
  if (name !== printed.name) flush();
  printed.name = name;
  if (printed.sent > STREAM_LIMIT) return;
  printed.sent += text.length;
  printed.text += printed.sent > STREAM_LIMIT ? "\n… (the rest is not shown)\n" : text;
  if (performance.now() - printed.at > STREAM_PAUSE) flush();
}

const publish = (type) => (data, metadata, transient) => {
  flush();
  show({ type, data: plain(data), metadata: plain(metadata) ?? {}, transient: plain(transient) ?? {} });
};

function connect() {
  plain = (value) => (value?.toJs ? value.toJs({ dict_converter: Object.fromEntries, create_pyproxies: false }) : value);
  const python = pyodide.pyimport("pyodide_kernel");
  pyodide.runPython(QUIET);
  kernel = python.kernel_instance;
  shell = python.ipython_shell;
  python.stdout_stream.publish_stream_callback = print;
  python.stderr_stream.publish_stream_callback = print;
  shell.display_pub.display_data_callback = publish("display");
  shell.display_pub.update_display_data_callback = publish("update");
  shell.display_pub.clear_output_callback = (wait) => { flush(); show({ type: "clear", wait: Boolean(wait) }); };
  shell.displayhook.publish_execution_result = (_, data, metadata) => publish("display")(data, metadata);
  shell.send_comm = (kind, content, metadata, _, buffers) =>
    postMessage({ type: "comm", owner: current, kind, content: plain(content), metadata: plain(metadata) ?? {}, buffers: plain(buffers) ?? [] });
}

// Count what arrives, for the line that says how far the loading is.
function countBytes(sizes) {
  const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  let loaded = 0;
  const own = self.fetch;
  self.fetch = async (resource, options) => {
    const response = await own(resource, options);
    const name = new URL(resource.url ?? resource, location.href).pathname.split("/").pop();
    const found = Object.keys(sizes).find((file) => file.split("/").pop() === name);
    if (found && !response.ok) { // Pyodide would wait for it for ever
      postMessage({ type: "failed", text: `${name} could not be had (status ${response.status})` });
      throw new Error(name);
    }
    if (found) {
      loaded += sizes[found];
      postMessage({ type: "progress", name: name.split("-")[0].replace(/\.(whl|zip|wasm)$/, ""), loaded, total });
    }
    return response;
  };
}

async function get(url) {
  const found = await fetch(url);
  if (!found.ok) throw new Error(`${url} could not be had (status ${found.status})`);
  return found;
}

// The files that chapters read, where they look for them: beside the folder of the notebooks.
function furnish() {
  pyodide.unpackArchive(kept, "zip", { extractDir: HOME });
  pyodide.FS.mkdirTree(`${HOME}/nbs`);
  pyodide.FS.chdir(`${HOME}/nbs`);
}

// Python of our own, beside this file.
async function module(name) {
  const source = await (await get(new URL(`${name}.py`, self.location))).text();
  const scope = pyodide.toPy({ __name__: `dln_${name}` });
  pyodide.runPython(source, { globals: scope, filename: `${name}.py` });
  return scope;
}

async function start({ folder, manifest, environment, interrupt }) {
  countBytes(manifest.bytes);
  importScripts(folder + "pyodide.js");
  pyodide = await loadPyodide({
    indexURL: folder,
    lockFileURL: folder + manifest.lock,
    stdLibURL: folder + manifest.library,
    packages: manifest.packages,
    env: { HOME, ...environment },
    stdout: () => {},
    stderr: () => {},
  });
  const there = new Set(Object.keys(pyodide.loadedPackages).map((name) => name.toLowerCase().replaceAll("_", "-")));
  const missing = manifest.packages.filter((name) => !there.has(name));
  if (missing.length) throw new Error(`what came as ${missing.join(", ")} is not what the lock names`);
  kept = await (await get(folder + manifest.kept)).arrayBuffer();
  furnish();
  if (interrupt) pyodide.setInterruptBuffer(interrupt);
  postMessage({ type: "progress", name: "the interpreter" });
  connect();
  (await module("sides")).get("install")(shell); // a failed assertion says what it compared
  session = (await module("session")).get("Session")(shell, HOME);
  postMessage({ type: "ready" });
}

function showError({ ename, evalue, traceback }) {
  flush();
  show({ type: "error", name: ename, text: [...traceback].join("\n") || `${ename}: ${evalue}` });
}

async function run({ id, code }) {
  current = id;
  printed = { name: "", text: "", sent: 0, at: performance.now() };
  const began = performance.now();
  kernel._parent_header = pyodide.toPy({ header: { msg_id: id } });
  let result;
  try {
    result = plain(await kernel.run(code));
    if (result.status === "error") showError(result);
  } catch (error) { // an interrupt that comes between the lines
    result = { status: "error" };
    showError({ ename: "KeyboardInterrupt", evalue: "", traceback: [String(error.message ?? error)] });
  }
  flush();
  postMessage({ type: "ran", id, ok: result.status === "ok", seconds: (performance.now() - began) / 1000 });
}

// A widget in the page has changed: let Python know.
function answer({ id, owner, kind, content, buffers }) {
  current = owner;
  shell._last_traceback = null;
  try {
    kernel.comm_manager[kind](null, null, pyodide.toPy({ content, buffers, header: {}, metadata: {} }));
    if (shell._last_traceback) showError(plain(shell._last_traceback));
  } catch (error) {
    showError({ ename: "Error", evalue: String(error.message ?? error), traceback: [] });
  }
  flush();
  postMessage({ type: "answered", id });
}

// A session as if Python had just been started.
function renew({ id }) {
  current = null;
  let ok = true;
  try {
    session.renew();
    furnish();
  } catch (error) {
    console.warn(error.message);
    ok = false;
  }
  postMessage({ type: "renewed", id, ok });
}

const todo = { start, run, comm: answer, renew };
let before = Promise.resolve(); // one thing at a time, in order
onmessage = ({ data }) => {
  before = before.then(() => todo[data.type](data)).catch((error) => postMessage({ type: "failed", text: String(error.message ?? error) }));
};
