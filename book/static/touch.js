// For fingers and ears: sliders of two values are buttons, figures keep letters that can be read, scrolling where they must,
// and what the theme and Sphinx leave without a name, or with a wrong role, is put right.
(() => {
  const LEAST = 11; // px of a figure's letters

  // A slider with two positions is a choice between two buttons; the slider stays behind them and does the work.
  function offerChoice(row, texts) {
    const slider = row.querySelector("input"), label = row.querySelector(".dln-label").textContent;
    const choice = Object.assign(document.createElement("span"), { className: "dln-choice", role: "group", ariaLabel: label });
    const buttons = texts.map((text, position) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.onclick = () => {
        slider.value = position;
        slider.dispatchEvent(new Event("input"));
        mark();
      };
      return button;
    });
    const mark = () => buttons.forEach((button, position) => button.setAttribute("aria-pressed", String(Number(slider.value) === position)));
    choice.append(...buttons);
    mark();
    slider.hidden = true;
    row.querySelector("output").classList.add("dln-spoken");
    row.querySelector("label").after(choice);
  }

  function offerChoices(box) {
    const rows = [...box.querySelectorAll(".dln-row")];
    if (!rows.some((row) => row.querySelector("input").max === "1")) return;
    const { texts } = JSON.parse(box.querySelector(".dln-frames").textContent);
    rows.forEach((row, n) => { if (texts[n].length === 2) offerChoice(row, texts[n]); });
  }

  // The smallest size in a figure's own units, indices not counted: of each text, its largest letters.
  function smallest(svg) {
    const sizes = [...svg.querySelectorAll("text")].map((text) => {
      const parts = text.querySelectorAll("tspan"); // a formula's; around them the text has the page's size, which nothing is set in
      return Math.max(...[...(parts.length ? parts : [text])].map((one) => parseFloat(getComputedStyle(one).fontSize)));
    });
    return Math.min(...sizes);
  }

  function keepLegible() {
    for (const svg of document.querySelectorAll("svg.dln-figure")) {
      const place = svg.closest(".dln-frame") ?? svg.parentElement; // where frames come and go, the place stays
      if (!place.dataset.legible) place.dataset.legible = Math.ceil((LEAST * svg.viewBox.baseVal.width) / smallest(svg)) || 0;
      place.style.setProperty("--dln-legible", `${place.dataset.legible}px`);
      const scrolls = place.scrollWidth > place.clientWidth + 1;
      if (scrolls) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
      place.classList.toggle("dln-scrolls", scrolls);
    }
  }

  function mendRoles() {
    const all = (selector) => document.querySelectorAll(selector);
    all("summary:has(> .toctree-toggle)").forEach((summary) => {
      summary.setAttribute("aria-label", `Pages of ${summary.closest("li")?.querySelector("a")?.textContent.trim() ?? "this part"}`);
    });
    all("div.citation[role]").forEach((citation) => citation.removeAttribute("role")); // deprecated
    all("dt.sig dl").forEach((list) => { // a parameter a line is no list of definitions
      const lines = Object.assign(document.createElement("span"), { className: "dln-parameters" });
      for (const line of [...list.children]) lines.append(Object.assign(document.createElement("span"), { innerHTML: line.innerHTML }));
      list.replaceWith(lines);
    });
    all("th").forEach((head) => {
      if (head.textContent.trim() || head.querySelector("img, svg, math")) return;
      const cell = document.createElement("td");
      cell.className = head.className;
      head.replaceWith(cell);
    });
    const side = document.querySelector(".bd-sidebar-primary");
    if (side && !side.closest("aside")) Object.entries({ role: "complementary", "aria-label": "The book" }).forEach(([name, value]) => side.setAttribute(name, value));
  }

  dlnPage.wake(() => {
    document.querySelectorAll(".dln-still").forEach(offerChoices);
    mendRoles();
    keepLegible();
  });
  addEventListener("load", keepLegible);
  addEventListener("resize", keepLegible);
})();
