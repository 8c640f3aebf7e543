// A chapter come alive: its cells become editors, and Python runs them in the browser.

import { Cell } from "./cell.js";
import { Edits } from "./edits.js";
import { Python } from "./python.js";
import { loader, widgets } from "./widgets.js";

const PATIENCE = 2000; // ms that Python has to obey an interrupt,
const AGAIN = 500; // and after which it is asked once more
const ENVIRONMENT = { DLNBOOK_EXPLORE: "callback", DLNBOOK_SIZE: "live", JUPYTER_WIDGETS_ECHO: "0" };
const CODEMIRROR = ["lib/codemirror", "mode/python/python", "addon/edit/matchbrackets", "addon/display/autorefresh"];

const mark = (name) => performance.mark(`dln-${name}`);
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Notebook {
  // Of a page. The Python is a new one, or that of the notebook before.
  constructor({ bar, site, manifest, say }, before = null) {
    Object.assign(this, { bar, site, manifest, say, queue: [], busy: null });
    this.meter = bar.querySelector("progress");
    this.edits = new Edits(location.pathname);
    const elements = [...document.querySelectorAll("article div.cell:not(.tag_skip-execution, .tag_dln-elsewhere)")];
    this.cells = elements
      .filter((element) => element.querySelector(".cell_input pre"))
      .map((element, i) => new Cell(element, { number: i + 1, edits: this.edits, widgets: () => this.widgets }));
    this.on = {
      progress: (message) => this.progress(message),
      output: (owner, output) => this.output(owner, output),
      comm: (message) => this.widgets.receive(message).catch((error) => console.warn(error)),
    };
    this.before = before;
    this.python = before?.python ?? new Python({ folder: `${site}pyodide/`, manifest, environment: ENVIRONMENT, on: this.on });
  }

  // Start

  async begin() {
    this.bar.dataset.state = "loading";
    this.say(this.before ? "Python is live; it begins a new session …" : "Loading Python …");
    try {
      this.started = Promise.allSettled(this.before ? [this.follow(), this.take()] : [this.load(), this.python.start()]);
      const failed = (await this.started).find((each) => each.status === "rejected");
      if (failed) throw failed.reason;
    } catch (error) {
      this.cells.forEach((cell) => cell.leave());
      this.python.end();
      throw error;
    }
    this.before = null;
    mark("ready");
    this.connect();
    this.showControls();
    if (!this.left) this.runAll();
    return this;
  }

  connect() {
    this.widgets = widgets(this.modules.HTMLManager, this.python);
  }

  async load() {
    const files = `${this.site}_static/`;
    const load = await loader(files);
    window.requirejs.config({ paths: { codemirror: `${files}codemirror` } });
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${files}codemirror/lib/codemirror.css` });
    document.head.prepend(sheet);
    const [CodeMirror] = await load(...CODEMIRROR.map((name) => `codemirror/${name}`));
    this.edit(CodeMirror);
    const [{ HTMLManager }] = await load("@jupyter-widgets/html-manager");
    this.modules = { CodeMirror, HTMLManager };
  }

  edit(CodeMirror) {
    this.kept = this.edits.count; // from an earlier visit
    const actions = { run: (cell) => this.run(cell), stop: () => this.stop(), change: () => this.tally() };
    for (const cell of this.cells) cell.edit(CodeMirror, actions);
  }

  // On from page to page: Python stays, in a new session

  next({ bar, say }) {
    return new Notebook({ bar, say, site: this.site, manifest: this.manifest }, this);
  }

  async follow() {
    this.modules = this.before.modules;
    this.edit(this.modules.CodeMirror);
  }

  async take() {
    const renewed = await this.before.left;
    this.python.on = this.on;
    if (!renewed) await this.python.start();
  }

  // The page is left. What Python does is stopped; Python, too, where it does not obey.
  leave() {
    this.left ??= (async () => {
      this.queue = [];
      await Promise.all([this.started, this.restarting]);
      if (this.python.asked) await Promise.race([wait(PATIENCE), this.python.obeyed()]);
      this.widgets?.silence();
      if (this.python.asked) this.python.end();
      return this.python.renew();
    })();
  }

  progress({ name, loaded, total }) {
    if (!total) return this.say(`Starting ${name} …`);
    this.meter.max = total;
    this.meter.value = loaded;
    const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
    this.say(`Loading Python: ${megabytes(loaded)} of ${megabytes(total)} MB (${name})`);
  }

  showControls() {
    const bind = (name, action) => { this.bar.querySelector(`.dln-live-${name}`).onclick = action; };
    bind("all", () => this.runAll());
    bind("stop", () => this.stop());
    bind("restart", () => this.restart());
    bind("clear", () => this.clear());
    this.bar.querySelector(".dln-live-server").hidden = !this.manifest.server;
    this.bar.querySelector(".dln-live-sizes").hidden = !this.cells.some((cell) => /\bsized\(/.test(cell.book));
    this.tally();
  }

  tally() {
    this.bar.querySelector(".dln-live-clear").disabled = !this.edits.count;
  }

  // Run

  runAll() {
    this.queue = [...this.cells];
    this.drain();
  }

  // What stands above a cell and has not been run comes first.
  run(cell) {
    const above = this.cells.slice(0, this.cells.indexOf(cell)).filter((each) => !each.has && each !== this.busy);
    const wanted = [...above, cell];
    this.queue = [...wanted, ...this.queue.filter((each) => !wanted.includes(each))];
    this.drain();
  }

  async drain() {
    for (const cell of this.queue) if (cell !== this.busy) cell.state("waiting");
    if (this.draining) return;
    this.draining = true;
    this.bar.dataset.state = "running";
    const began = performance.now();
    let count = 0;
    while (this.queue.length) {
      await this.restarting;
      const cell = this.queue.shift();
      if (cell) await this.execute(cell, ++count);
      mark(count === 1 ? "first" : "last");
    }
    this.draining = false;
    this.bar.dataset.state = "live";
    this.report(count, (performance.now() - began) / 1000);
  }

  async execute(cell, count) {
    this.say(`Running cell ${count} of ${count + this.queue.length}`);
    this.meter.max = count + this.queue.length;
    this.meter.value = count - 1;
    this.busy = cell;
    cell.begin();
    cell.end(await this.python.run(cell.id, cell.code));
    this.busy = null;
  }

  report(count, seconds) {
    if (this.restarting) return;
    const failed = this.cells.filter((cell) => cell.element.dataset.state === "failed").length;
    const cells = count === 1 ? "1 cell ran" : `${count} cells ran`;
    this.say(`Python is live: ${cells} in ${seconds.toFixed(1)} s${failed ? `; ${failed} failed` : ""}.${this.yours(failed)}`);
  }

  // Which cells hold the reader's text: after a reload, the likely reason why others fail.
  yours(failed) {
    const numbers = this.cells.filter((cell) => cell.editor && cell.text !== cell.book).map((cell) => cell.number);
    if (!numbers.length || !(failed || this.kept)) return "";
    const named = numbers.length === 1 ? `Cell ${numbers[0]} holds` : `Cells ${numbers.join(", ")} hold`;
    const since = this.kept ? ", kept from an earlier visit" : "";
    this.kept = 0; // said once
    return ` ${named} your text${since}.`;
  }

  output(owner, output) {
    if (this.widgets.captures(owner, output)) return;
    this.cells.find((cell) => cell.id === owner)?.outputs.add(output);
  }

  // Stop

  async stop() {
    for (const cell of this.queue) cell.state(cell.has ? "stopped" : "gone");
    this.queue = [];
    const cell = this.busy;
    if (!cell) return;
    this.say("Stopping …");
    // more than once: Python ignores what is raised where it clears away
    for (let asked = 0; asked < PATIENCE && this.busy === cell && this.python.interrupt(); asked += AGAIN) {
      await Promise.race([wait(AGAIN), this.idle()]);
    }
    if (this.busy === cell) await this.restart();
  }

  async idle() {
    while (this.busy) await wait(30);
  }

  async restart() {
    this.queue = [];
    const stopped = this.busy;
    this.restarting = this.anew();
    try {
      await this.restarting;
      this.say("Python was started anew: its variables are gone, your text is not. Run a cell, and those above it run first.");
    } catch (error) {
      this.say(`Python did not start again: ${error.message}. Your text is kept; reload the page.`);
    }
    this.restarting = null;
    if (stopped) stopped.has = true; // or it would be run again, on the way to a cell below it
    this.bar.dataset.state = "live";
  }

  async anew() {
    this.python.end();
    await this.idle();
    for (const cell of this.cells) {
      if (cell.has && cell.element.dataset.state !== "stopped") cell.state("gone");
      cell.has = false;
    }
    await this.python.start();
    this.connect();
  }

  clear() {
    for (const cell of this.cells) if (cell.editor && cell.text !== cell.book) cell.reset();
    this.say("All cells have the book's text again.");
  }
}

export const begin = (page) => new Notebook(page).begin();
