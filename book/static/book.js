// What the page needs beyond the theme: names for the widgets' controls, so that a screen reader can tell them apart,
// and regions that scroll being reachable by keyboard.
(() => {
  const text = (element) => (element ? element.textContent.trim() : "");

  // noUiSlider gives its handle the role of a slider, but neither a name nor its value in words.
  function nameSlider(slider) {
    const handle = slider.querySelector(".noUi-handle[role=slider]");
    const readout = slider.querySelector(".widget-readout");
    if (!handle || handle.dataset.named) return;
    handle.dataset.named = "true";
    handle.setAttribute("aria-label", text(slider.querySelector(".widget-label")) || "value");
    const speak = () => handle.setAttribute("aria-valuetext", text(readout));
    speak();
    if (readout) new MutationObserver(speak).observe(readout, { childList: true, characterData: true, subtree: true });
  }

  const BUTTONS = ["play or pause", "stop and go back", "repeat"];
  function namePlayer(player) {
    player.querySelectorAll("button").forEach((button, place) => {
      if (!button.hasAttribute("aria-label")) button.setAttribute("aria-label", BUTTONS[place] || "player");
    });
  }

  function nameControls(root) {
    root.querySelectorAll(".widget-hslider").forEach(nameSlider);
    root.querySelectorAll(".widget-play").forEach(namePlayer);
  }

  // What is wider than the page scrolls in its place: code, tables, displayed formulas. Without a tab stop, only by mouse.
  const FADING = "div.highlight pre, .cell_output pre, table.table, .dln-hunt-code"; // formulas say it in words (formulas.js), figures too (touch.js)
  function reachScrolling(root) {
    root.querySelectorAll("div.highlight pre, .cell_output pre, .pst-scrollable-table-container, table.table, mjx-container[display], div.math").forEach((block) => {
      if (block.scrollWidth > block.clientWidth + 1) block.tabIndex = 0;
      else block.removeAttribute("tabindex");
    });
    root.querySelectorAll(FADING).forEach(fade);
  }

  // It fades at the edge beyond which there is more.
  function fade(block) {
    const hidden = block.scrollWidth - block.clientWidth - block.scrollLeft;
    block.classList.toggle("dln-more-before", block.scrollLeft > 1);
    block.classList.toggle("dln-more-behind", hidden > 1);
  }
  document.addEventListener("scroll", ({ target }) => { if (target.matches?.(FADING)) fade(target); }, { capture: true, passive: true });

  // A formula in a line cannot be broken; one that is wider than the line scrolls in its place.
  function reachWideFormulas() {
    document.querySelectorAll("mjx-container:not([display])").forEach((formula) => {
      formula.classList.remove("dln-wide");
      const line = formula.closest("p, li, td, dd, figcaption");
      const wide = line && formula.getBoundingClientRect().width > line.clientWidth;
      formula.classList.toggle("dln-wide", Boolean(wide));
      if (wide && formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0; // in a table the cell may have grown
      else formula.removeAttribute("tabindex");
    });
  }

  // The theme's labels hide what is written on its buttons, and its lists of references have no list items.
  function mendTheme() {
    document.querySelectorAll("button.search-button-field, button.theme-switch-button").forEach((button) => {
      button.removeAttribute("aria-label");
    });
    document.querySelectorAll("button.theme-switch-button").forEach((button) => {
      button.title = "Color mode";
    });
    document.querySelectorAll("button.copybtn").forEach((button) => button.setAttribute("aria-label", "Copy this code"));
    document.querySelectorAll(".citation-list[role=list]").forEach((list) => list.removeAttribute("role"));
  }

  const settle = () => { mendTheme(); nameControls(document); reachScrolling(document); };
  const fit = () => { reachScrolling(document); reachWideFormulas(); };
  dlnPage.wake(settle);
  dlnPage.fit(fit);
  addEventListener("load", settle);
  addEventListener("resize", fit);
  document.addEventListener("toggle", () => reachScrolling(document), true); // a fold was opened
  const article = document.querySelector("article") || document.body;
  new MutationObserver(() => nameControls(document)).observe(article, { childList: true, subtree: true });
})();
