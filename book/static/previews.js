// What a reference leads to, shown at the reference while the pointer or the keyboard's focus is on it.
// It stays while the pointer is over it, and Escape closes it.
(() => {
  const WAIT = 150, LEAVE = 250; // ms
  const LINKS = "article a.reference.internal";
  let open = null, timer = 0, number = 0;

  const previews = () => JSON.parse(document.querySelector("script.dln-previews")?.textContent ?? "{}");

  // The preview's content, or null where a link has none.
  function content(link) {
    if (link.title) { // the browser's own tooltip would come on top
      link.dataset.reference = link.title;
      link.removeAttribute("title");
    }
    const found = previews()[link.getAttribute("href")];
    const box = document.createElement("div");
    if (found?.html) box.innerHTML = found.html;
    else if (found?.tex && window.MathJax?.tex2chtml) {
      const formula = MathJax.tex2chtml(/\\\\|&/.test(found.tex) ? `\\begin{split}${found.tex}\\end{split}` : found.tex, { display: true });
      MathJax.chtmlStylesheet();
      box.append(formula, Object.assign(document.createElement("span"), { className: "dln-preview-number", textContent: found.number }));
    } else if (link.dataset.reference) box.append(Object.assign(document.createElement("p"), { textContent: link.dataset.reference }));
    else return null;
    return box;
  }

  function close() {
    clearTimeout(timer);
    if (!open) return;
    open.link.removeAttribute("aria-describedby");
    open.box.remove();
    open = null;
  }

  function show(link) {
    if (open?.link === link) { clearTimeout(timer); return; }
    close();
    const box = content(link);
    if (!box) return;
    box.className = "dln-preview";
    box.id = `dln-preview-${number++}`;
    box.setAttribute("role", "tooltip");
    document.body.append(box);
    link.setAttribute("aria-describedby", box.id);
    const at = link.getClientRects()[0], size = box.getBoundingClientRect();
    const below = at.bottom + 6 + size.height < innerHeight || at.top < size.height + 6;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8)) + scrollX}px`;
    box.style.top = `${(below ? at.bottom + 6 : at.top - size.height - 6) + scrollY}px`;
    box.onmouseenter = () => clearTimeout(timer);
    box.onmouseleave = () => { timer = setTimeout(close, LEAVE); };
    open = { link, box };
  }

  const link = (event) => event.target.closest?.(LINKS);
  document.addEventListener("mouseover", (event) => {
    const over = link(event);
    if (!over || !matchMedia("(hover: hover)").matches) return;
    clearTimeout(timer);
    timer = setTimeout(() => show(over), WAIT);
  });
  document.addEventListener("mouseout", (event) => {
    if (!link(event)) return;
    clearTimeout(timer);
    timer = setTimeout(close, LEAVE);
  });
  document.addEventListener("focusin", (event) => {
    const over = link(event);
    if (over?.matches(":focus-visible")) show(over);
    else close();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  addEventListener("hashchange", close);
  dlnPage.wake(close);
})();
