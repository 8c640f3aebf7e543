// Before a page is printed: in light, short code unbroken, formulas as small as paper needs. (depth.js opens what is folded.)
(() => {
  const SHORT = 25; // lines of code that stay together
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

  function prepare() {
    const theme = root.dataset.theme;
    root.dataset.theme = "light";
    undo.push(() => { root.dataset.theme = theme; });
    document.querySelectorAll("div.cell_input, div.highlight").forEach((code) => {
      const lines = code.textContent.split("\n").map((line) => Math.max(1, Math.ceil(line.length / LINE)));
      code.classList.toggle("dln-short", lines.reduce((sum, each) => sum + each) <= SHORT + 1);
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
