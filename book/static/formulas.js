// Displayed formulas that are wider than their place: a little smaller, or broken into lines where one would break them
// by hand, before they scroll. Long formulas in a line of text are cut at their relations. On a wide window next to
// nothing has to be done; on a phone it is most of the long ones.
(() => {
  const SLIGHTLY = 0.86, SMALLEST = 0.75; // of the usual size: before a formula is broken, and after
  const LETTER = 9.5; // px, about, of one letter
  const WRAPPER = /^\s*\\begin\{(split|aligned|align\*?|gathered|equation\*?)\}([\s\S]*)\\end\{\1\}\s*$/;
  const RELATION = /^(?:=|<|>|\\(?:le|ge|leq|geq|approx|ne|neq|leftarrow|rightarrow|to|mapsto|propto|sim|equiv|iff|ll|gg|Rightarrow|Longrightarrow|Leftrightarrow|longrightarrow|quad\s*\\Rightarrow)(?![A-Za-z]))/;
  const SUM = /^(?:[+-]|\\(?:pm|cdots?|times|odot)(?![A-Za-z]))/;
  const SPACE = /^(?:\\q?quad(?![A-Za-z])|\\ (?=\s*\\text))/; // between equations, and before words

  // A source, cut where `at` says so outside of all braces, brackets and environments. Each piece but the first begins with what it was cut at.
  function cut(tex, at) {
    const pieces = [];
    let depth = 0, start = 0, place = 0;
    while (place < tex.length) {
      const rest = tex.slice(place);
      const word = rest.match(/^\\(?:[A-Za-z]+|.)/s)?.[0] ?? rest[0];
      const found = depth === 0 && at(rest, tex.slice(start, place));
      if (found) {
        pieces.push(tex.slice(start, place));
        start = place;
        place += found;
        continue;
      }
      if (["{", "(", "[", "\\left", "\\begin", "\\{", "\\lfloor", "\\langle"].includes(word)) depth += 1;
      if (["}", ")", "]", "\\right", "\\end", "\\}", "\\rfloor", "\\rangle"].includes(word)) depth = Math.max(0, depth - 1);
      place += word.length;
      if (word === "\\left" || word === "\\right") place += tex.slice(place).match(/^\s*(?:\\[A-Za-z]+|\\.|.)/s)?.[0].length ?? 0; // their bracket is counted already
    }
    return [...pieces, tex.slice(start)];
  }

  const matcher = (pattern) => (rest, before) => (before.trim() ? rest.match(pattern)?.[0].length : 0);
  const relations = (tex) => cut(tex, matcher(RELATION));
  const sums = (tex) => cut(tex, (rest, before) => (/[\w})\]|!;]\s*$/.test(before) ? rest.match(SUM)?.[0].length : 0));

  // Where a line may end at the worst: before a sign of addition or multiplication, and between words.
  const spread = (tex) => tex.replace(/\\text\{([^{}$]*)\}/g, (_, words) => words.split(/(?<=\S )/).map((word) => `\\text{${word}}`).join(""));
  const anywhere = (tex) => sums(spread(tex)).flatMap((piece) => cut(piece, (rest, before) => (before.trim() && /^\\text\{/.test(rest) ? 5 : 0)));

  function unwrapped(tex) {
    for (let inner; (inner = tex.match(WRAPPER)); ) tex = inner[2];
    return tex;
  }

  // The equations of a formula, one after the other: in an aligned one there may be several in a row.
  function equations(tex) {
    const found = [];
    for (const row of cut(unwrapped(tex), (rest) => rest.match(/^\\\\(?:\[[^\]]*\])?/)?.[0].length)) {
      const cells = cut(row.replace(/^\\\\(?:\[[^\]]*\])?/, ""), (rest) => (rest[0] === "&" ? 1 : 0)).map((cell) => cell.replace(/^&/, ""));
      for (let n = 0; n < cells.length; n += 2) {
        const sides = cells.slice(n, n + 2).join(" ");
        for (const part of cut(sides, (rest, before) => (before.trim() ? rest.match(SPACE)?.[0].length : 0))) {
          const bare = part.replace(/^(?:\s*\\(?:q?quad(?![A-Za-z])| ))+/, "").trim();
          const goesOn = n === 0 && !cells[0].trim() && SUM.test(bare); // a row that is the rest of the one above
          if (goesOn && found.length) found.push(`${found.pop()} ${bare}`);
          else if (bare) found.push(bare);
        }
      }
    }
    return found;
  }

  const letters = (tex) => tex.replace(/\\(?:text|left|right|big|Big|bigg|Bigg|mathcal|mathrm|operatorname|,|;|!|begin|end)(?![a-z])|[{}^_&\s]/g, "").replace(/\\[A-Za-z]+/g, "x").length;

  // Ever more broken: equations below each other; a line for each relation; lines filled up to a width.
  function* broken(tex, width) {
    const all = equations(tex);
    const aligned = (lines) => `\\begin{aligned}${lines.join(" \\\\ ")}\\end{aligned}`;
    const two = (each) => { const [left, ...right] = relations(each); return right.length ? `${left} &${right.join("")}` : `& ${left}`; };
    if (all.length > 1) yield aligned(all.map(two));
    yield aligned(all.flatMap((each) => {
      const [left, ...right] = relations(each);
      return right.length ? [`${left} &${right[0]}`, ...right.slice(1).map((piece) => `&${piece}`)] : [`& ${left}`];
    }));
    for (const room of [width, 0.8 * width, 0.6 * width]) {
      yield aligned(all.flatMap((each) => {
        const lines = [];
        for (const side of relations(each)) {
          let line = "";
          for (const piece of anywhere(side)) {
            if (line && letters(line + piece) * LETTER > room) { lines.push(line); line = ""; }
            line += piece;
          }
          if (lines.length && letters(lines.at(-1) + line) * LETTER < room) lines.push(lines.pop() + line);
          else lines.push(line);
        }
        return lines.map((line, n) => (n ? `&\\quad {}${line}` : `&${line}`));
      }));
    }
  }

  const width = (container) => container.querySelector("mjx-math").getBoundingClientRect().width;

  // Typeset another source as MathJax did this formula.
  function typeset(tex, item) {
    const { em, ex, containerWidth, scale } = item.metrics;
    const formula = MathJax.tex2chtml(tex, { display: item.display, em, ex, containerWidth, scale });
    MathJax.chtmlStylesheet(); // which has styles for what the page has shown so far
    return formula;
  }

  const usual = new WeakMap(); // the size that MathJax gave a formula
  function shrink(container, factor) {
    if (!usual.has(container)) usual.set(container, container.style.fontSize || "100%");
    container.style.fontSize = `${parseFloat(usual.get(container)) * (factor < 1 ? Math.floor(factor * 200) / 200 : 1)}%`;
  }

  function fitDisplayed(item) {
    let container = item.shown ?? item.typesetRoot;
    const box = container?.closest("div.math");
    if (!box || !box.getClientRects().length) return;
    if (item.shown && item.shown !== item.typesetRoot) {
      item.shown.replaceWith(item.typesetRoot);
      container = item.typesetRoot;
    }
    shrink(container, 1);
    const place = container.clientWidth; // it takes what its number leaves
    let factor = place / width(container);
    if (factor < SLIGHTLY) {
      let best = [factor, container];
      for (const tex of broken(item.math, place)) {
        let other;
        try { other = typeset(tex, item); } catch { continue; }
        if (other.querySelector("mjx-merror")) continue;
        container.replaceWith(other);
        container = other;
        const now = place / width(other);
        if (now > best[0]) best = [now, other];
        if (now >= SLIGHTLY) break;
      }
      if (container !== best[1]) container.replaceWith(best[1]);
      [factor, container] = best;
    }
    item.shown = container;
    shrink(container, Math.max(SMALLEST, Math.min(1, factor)));
    box.classList.toggle("dln-scrolls", factor < SMALLEST);
  }

  // A formula in a line of text that is longer than the line becomes several, cut at its relations.
  function fitInline(item) {
    const whole = item.typesetRoot, line = (item.shown ?? whole)?.closest?.("p, li, dd, td, figcaption");
    if (!line || !line.getClientRects().length) return;
    if (item.shown) { item.shown.replaceWith(whole); item.shown = null; }
    whole.classList.remove("dln-wide");
    if (line.closest("table") || whole.getBoundingClientRect().width <= line.clientWidth) return;
    const pieces = relations(item.math).flatMap((side, n) => (n ? sums(side) : [side])).map((piece, n) => (n ? `{}${piece}` : piece));
    if (pieces.length < 2) return;
    const several = document.createElement("span");
    several.className = "dln-pieces";
    several.append(...pieces.flatMap((piece) => [typeset(piece, item), "\u200b"]));
    whole.replaceWith(several);
    item.shown = several;
  }

  function fit() {
    for (const item of window.MathJax?.startup?.document?.math ?? []) {
      if (!item.typesetRoot?.isConnected && !item.shown?.isConnected) continue;
      if (item.display) fitDisplayed(item);
      else fitInline(item);
    }
  }
  window.dlnFitFormulas = fit;

  // At first, and whenever other formulas have come onto the page.
  dlnPage.fit(fit);
  addEventListener("load", () => window.MathJax?.startup?.promise.then(() => {
    const typeset = MathJax.typesetPromise;
    MathJax.typesetPromise = (...places) => typeset(...places).then((done) => { fit(); return done; });
  }));
  let last = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== last) { last = innerWidth; fit(); } });
  document.addEventListener("toggle", (event) => { if (event.target.open) fit(); }, true); // a formula in a fold has no width before
})();
