// An exercise's cell: to run it is to have it checked. What the check says is announced; hints and the solution are a button away.

const button = (text, label, onclick) => Object.assign(document.createElement("button"), { type: "button", textContent: text, ariaLabel: label, onclick });

export class Exercise {
  // The exercise of a cell, if it is one.
  static of(cell) {
    return cell.element.classList.contains("tag_dln-exercise") ? new Exercise(cell) : null;
  }

  constructor(cell) {
    this.cell = cell;
    this.call = cell.book.trimEnd().split("\n").pop(); // check(…)
    this.name = cell.host.querySelector(".dln-verdict")?.dataset.exercise ?? this.call;
    this.line = Object.assign(document.createElement("p"), { className: "dln-spoken", role: "status" });
    this.hints = button("Hint", `Hint for ${this.name}`, () => this.hint());
    this.shows = button("Show the solution", `Show the solution of ${this.name}`, () => this.solve());
    cell.host.addEventListener("toggle", () => this.count(), true);
  }

  // What stands beside the button that runs the cell.
  tools(runButton) {
    runButton.textContent = "Check";
    runButton.ariaLabel = `Check ${this.name}`;
    runButton.addEventListener("click", () => { this.asked = true; });
    this.shows.hidden = !this.solution;
    this.count();
    return [this.line, this.hints, this.shows];
  }

  // The cell's text, and the check where the reader has deleted it.
  code(text) {
    return text.includes("check(") ? text : `${text}\n\n${this.call}\n`;
  }

  // After a run: say it to those who do not see it.
  said() {
    this.count();
    const asked = this.asked || this.cell.element.contains(document.activeElement);
    if (this.asked && document.activeElement === document.body) this.cell.runButton.focus(); // it was hidden meanwhile
    this.asked = false;
    if (!asked) return; // all cells run when Python starts
    const verdict = this.cell.host.querySelector(".dln-verdict > p");
    this.line.textContent = ""; // the same words again are news, too
    requestAnimationFrame(() => { this.line.textContent = verdict?.textContent ?? "An error: it stands below the cell."; });
  }

  get closed() {
    return this.cell.host.querySelector(".dln-hint:not([open])"); // in the order of the page: the outermost first
  }

  count() {
    this.hints.disabled = !this.closed;
  }

  hint() {
    const next = this.closed;
    next.querySelector("summary").click(); // as a reader does, and is counted as such
    next.querySelector("summary").focus();
    this.line.textContent = next.querySelector("p").textContent;
  }

  // The next solution below the cell.
  get solution() {
    const all = [...document.querySelectorAll("article .solution")];
    return all.find((one) => this.cell.element.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
  }

  solve() {
    const toggle = this.solution.querySelector(".toggle-button");
    if (this.solution.classList.contains("toggle-hidden")) toggle.click();
    this.solution.scrollIntoView({ block: "start" });
    toggle.focus({ preventScroll: true });
    dispatchEvent(new CustomEvent("dln-solution", { detail: this.name }));
  }
}
