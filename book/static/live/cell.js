// A code cell of the page: its editor, its buttons, what it shows.

import { Exercise } from "./exercise.js";
import { Outputs } from "./outputs.js";

const button = (text, label, onclick) => Object.assign(document.createElement("button"), { type: "button", textContent: text, ariaLabel: label, onclick });

const STATES = {
  book: "", waiting: "waiting", running: "running …", ran: "ran in", failed: "failed after", stopped: "stopped",
  gone: "not run since Python started anew",
};

export class Cell {
  constructor(element, { number, edits, widgets }) {
    this.element = element;
    this.id = `cell-${number}`;
    this.number = number;
    this.edits = edits;
    this.input = element.querySelector(".cell_input");
    this.book = this.input.querySelector("pre").textContent.replace(/\n$/, "");
    this.text = this.book;
    this.hidden = element.classList.contains("tag_dln-hide");
    this.host = element.querySelector(".cell_output") ?? this.makeHost();
    this.still = [...this.host.childNodes]; // what the static page shows
    this.outputs = new Outputs(this.host, widgets);
    this.exercise = Exercise.of(this);
    this.has = false; // whether this Python has run it
  }

  makeHost() {
    const host = document.createElement("div");
    host.className = "cell_output docutils container dln-new";
    this.element.append(host);
    return host;
  }

  // The editor takes the place of the code, in its fold where it has one.
  edit(CodeMirror, { run, stop, change }) {
    if (this.hidden) return;
    this.frame = document.createElement("div");
    this.frame.className = "dln-editor";
    this.text = this.edits.of(this.book);
    this.editor = CodeMirror(this.frame, {
      value: this.text,
      mode: "python",
      indentUnit: 4,
      viewportMargin: Infinity,
      matchBrackets: true,
      autoRefresh: true,
      screenReaderLabel: `Code of cell ${this.number}. Shift-Enter runs it, Escape leaves the editor.`,
      extraKeys: {
        "Shift-Enter": () => run(this),
        "Ctrl-Enter": () => run(this),
        "Cmd-Enter": () => run(this),
        "Esc": () => this.runButton.focus(),
        "Tab": (editor) => editor.execCommand(editor.somethingSelected() ? "indentMore" : "insertSoftTab"),
        "Shift-Tab": "indentLess",
      },
    });
    this.editor.on("change", () => { this.take(this.editor.getValue()); change(); });
    this.frame.append(this.tools(run, stop));
    this.put();
    this.take(this.text);
  }

  tools(run, stop) {
    const tools = document.createElement("div");
    tools.className = "dln-tools";
    this.line = Object.assign(document.createElement("span"), { className: "dln-state" });
    this.runButton = button("Run", `Run cell ${this.number}`, () => run(this));
    this.stopButton = button("Stop", `Stop cell ${this.number}`, stop);
    this.stopButton.hidden = true;
    this.resetButton = button("Reset", `Reset cell ${this.number} to the book's text`, () => this.reset());
    const copy = button("Copy", `Copy the code of cell ${this.number}`, () => this.copy(copy));
    tools.append(this.line, copy, this.resetButton, ...(this.exercise?.tools(this.runButton) ?? []), this.runButton, this.stopButton);
    return tools;
  }

  // What is in the editor, not what the book has there.
  async copy(pressed) {
    await navigator.clipboard.writeText(this.text);
    const say = (word) => {
      pressed.textContent = word;
      pressed.ariaLabel = `${word} the code of cell ${this.number}`;
    };
    say("Copied");
    setTimeout(() => say("Copy"), 1500);
  }

  put() {
    for (const child of this.input.children) child.hidden = true;
    this.input.append(this.frame);
    this.fold = this.input.closest("details.dln-fold:not([open])");
    if (this.fold) this.fold.open = true;
  }

  take(text) {
    this.text = text;
    this.edits.keep(this.book, text);
    this.resetButton.disabled = text === this.book;
    this.element.classList.toggle("dln-edited", text !== this.book);
  }

  reset() {
    this.editor.setValue(this.book);
    this.host.replaceChildren(...this.still);
    this.state("book");
    this.editor.focus();
  }

  // Back to the static page.
  leave() {
    for (const child of this.input.children) child.hidden = false;
    this.frame?.remove();
    if (this.fold) this.fold.open = false;
  }

  state(name, seconds) {
    this.element.dataset.state = name;
    if (this.stopButton) {
      this.stopButton.hidden = name !== "running";
      this.runButton.hidden = name === "running";
    }
    const size = /\bsized\(/.test(this.text) && seconds !== undefined ? ", a smaller experiment than the book's" : "";
    if (this.line) this.line.textContent = STATES[name] + (seconds === undefined ? "" : ` ${seconds.toFixed(2)} s`) + size;
  }

  get code() { return this.exercise?.code(this.text) ?? this.text; }

  begin() {
    this.state("running");
    this.outputs.printed = null;
    this.outputs.clearing = true; // the last result stays until there is a new one
  }

  end({ ok, seconds, ended }) {
    if (this.outputs.clearing && !ended) this.outputs.clear();
    this.has = true;
    if (ended) this.state("stopped");
    else this.state(ok ? "ran" : "failed", seconds);
    this.exercise?.said();
  }
}
