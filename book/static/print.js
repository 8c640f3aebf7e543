// Before a page is printed: in light, formulas as small as paper needs, code in lines that may part between its paragraphs. (depth.js opens solutions.)
(() => {
  const SHORT = 15; // lines of code that stay together
  const PARAGRAPH = 12; // and of such without an empty one between
  const FEW = 6; // lines of output that stay with their code, and fewer of a text that stay together: Chromium would leave one alone
  const LINE = 108; // signs of code that a line of paper has
  const SMALLEST = 0.6; // of a formula's size
  const root = document.documentElement;
  const undo = [];

  // Where a formula begins and ends; the elements around it are as wide as the line.
  function extent(formula) {
    const boxes = [...(formula.querySelector("mjx-math")?.children ?? [])].map((one) => one.getBoundingClientRect());
    return [Math.min(...boxes.map((box) => box.left)), Math.max(...boxes.map((box) => box.right))];
  }

  // How much a formula must shrink so that it ends before the edge, or before its number.
  function fit(formula) {
    const row = formula.closest("div.math") ?? formula.parentElement;
    const number = row.querySelector(".eqno");
    const room = row.clientWidth - (number ? number.getBoundingClientRect().width + 8 : 0);
    const [left, right] = extent(formula), width = right - left;
    if (width <= room || room <= 0) return;
    const size = parseFloat(getComputedStyle(formula).fontSize), before = formula.style.fontSize; // MathJax's own
    formula.style.fontSize = `${size * Math.max(SMALLEST, room / width)}px`;
    undo.push(() => { formula.style.fontSize = before; });
  }

  // The rows of some code, each the pieces of it that stand in one line. What goes over several lines is text alone.
  function rows(code) {
    const found = [[]];
    for (const node of code.childNodes) {
      const parts = node.textContent.split("\n");
      parts.forEach((part, n) => {
        if (n) found.push([]);
        if (!part) return;
        const piece = node.cloneNode(parts.length === 1);
        if (parts.length > 1) piece.textContent = part;
        found.at(-1).push(piece);
      });
    }
    while (found.length && !found.at(-1).length) found.pop();
    return found;
  }

  // A line that is too long goes on further to the right than it began, and a page ends where the code has an empty line.
  function set(code) {
    const before = [...code.childNodes], paragraphs = [];
    let empty = 1;
    for (const pieces of rows(code)) {
      const text = pieces.map((piece) => piece.textContent).join("");
      if (!text.trim()) { empty += 1; continue; }
      if (empty) paragraphs.push(Object.assign(document.createElement("span"), { className: "dln-paragraph" }));
      if (empty && paragraphs.length > 1) paragraphs.at(-1).style.marginTop = `${empty}lh`;
      empty = 0;
      const row = Object.assign(document.createElement("span"), { className: "dln-code-line" });
      row.style.setProperty("--dln-further", `${text.search(/\S/) + 4}ch`);
      row.append(...pieces, "\n");
      paragraphs.at(-1).append(row);
    }
    for (const each of paragraphs) each.classList.toggle("dln-short", each.childElementCount <= PARAGRAPH);
    code.replaceChildren(...paragraphs);
    undo.push(() => code.replaceChildren(...before));
  }

  // What says "as follows:" stays with what follows.
  const LEAD = "article :is(p, dd):has(+ :is(div.cell, table, div.pst-scrollable-table-container, figure, div.math))";

  function prepare() {
    const theme = root.dataset.theme;
    root.dataset.theme = "light";
    undo.push(() => { root.dataset.theme = theme; });
    document.querySelectorAll("div.cell_input, div.highlight").forEach((code) => {
      const lines = code.textContent.split("\n").map((line) => Math.max(1, Math.ceil(line.length / LINE)));
      code.classList.toggle("dln-short", lines.reduce((sum, each) => sum + each) <= SHORT + 1);
    });
    document.querySelectorAll("article div.highlight pre").forEach(set);
    document.querySelectorAll(LEAD).forEach((text) => text.classList.toggle("dln-lead", !/[.?!)]$/.test(text.textContent.trim())));
    document.querySelectorAll("article .cell_output").forEach((output) => output.classList.toggle("dln-stays", output.innerText.trim().split("\n").length <= FEW));
    document.querySelectorAll("article p").forEach((text) => {
      const lines = text.getBoundingClientRect().height / parseFloat(getComputedStyle(text).lineHeight);
      text.classList.toggle("dln-few", lines < FEW);
    });
    document.querySelectorAll("mjx-container[display=true]").forEach(fit);
  }

  const print = matchMedia("print");
  print.addEventListener("change", (event) => {
    if (event.matches) prepare();
    else while (undo.length) undo.pop()();
  });
  window.dlnPaper = { prepare, extent };
})();
