// While Python is live, a link to another page of the book does not leave this one: the other page's article is put in the
// place of this page's, so that the next chapter need not start Python. What cannot be had this way is loaded as ever.
(() => {
  const site = new URL(document.documentElement.dataset.content_root || "./", location.href).href;
  const PARTS = ["article.bd-article", ".prev-next-footer", "nav.bd-links"]; // every page of the book has these
  const MORE = ["#pst-secondary-sidebar", "#jb-print-docs-body", ".dropdown-download-buttons"]; // and most have these
  const HEAD = "title, meta[name=description], meta[property^='og:'], link:is([rel=canonical], [rel=next], [rel=prev])";
  const MARGIN = "article :is(.margin, .sidebar, .marginnote, .sidenote)";

  const page = (address) => address.replace(/#.*/s, "");
  const scrolled = new Map(); // how far down a page the reader was when it was left, by address
  let shown = page(location.href); // the page that is here
  let visits = 0, asking = false; // how often another one was asked for, and whether one is

  const spoken = Object.assign(document.createElement("p"), { className: "dln-spoken", role: "status" });
  document.querySelector("main").append(spoken);

  // Which page of the book a click leads to, if it is a plain click on a plain link.
  function asked(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
    if ((link.target && link.target !== "_self") || link.hasAttribute("download")) return null;
    const address = new URL(link.href, location.href);
    if (!address.href.startsWith(site) || !/(\/|\.html)$/.test(address.pathname)) return null;
    return page(address.href) === page(location.href) && link.href.includes("#") ? null : address.href; // a place on this page
  }

  // Another page, if all that it needs is here.
  async function fetched(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const missing = PARTS.filter((part) => !other.querySelector(part));
    if (missing.length) throw new Error(`it has no ${missing.join(", ")}`);
    const name = (script) => script.getAttribute("src").split("/").pop();
    const known = new Set([...document.querySelectorAll("script[src]")].map(name));
    const scripts = [...other.querySelectorAll("script[src]")].filter((script) => !known.has(name(script)));
    if (scripts.length) throw new Error(`it needs ${scripts.map(name).join(", ")}`);
    return other;
  }

  // The addresses in what stays are relative to the page that was loaded.
  function keepAddresses() {
    for (const link of document.querySelectorAll("a[href]:not([href^='#']), link:is([rel=icon], [rel=index])")) link.href = link.href;
    for (const form of document.querySelectorAll("form[action]")) form.action = form.action;
  }

  function swap(other) {
    for (const part of PARTS) document.querySelector(part).replaceChildren(...other.querySelector(part).childNodes);
    for (const part of MORE) {
      const mine = document.querySelector(part), theirs = other.querySelector(part);
      if (!mine) continue;
      if (part === ".dropdown-download-buttons") mine.querySelector("a")?.setAttribute("href", theirs?.querySelector("a")?.getAttribute("href") ?? "");
      else mine.replaceChildren(...(theirs?.childNodes ?? []));
      mine.hidden = !theirs;
    }
    document.querySelectorAll(".secondary-toggle").forEach((button) => { button.hidden = !other.querySelector(MORE[0]); });
    document.querySelectorAll(HEAD).forEach((one) => one.remove());
    document.head.append(...other.querySelectorAll(HEAD));
    document.documentElement.dataset.content_root = other.documentElement.dataset.content_root;
  }

  // What the theme and other people's scripts do when a page is loaded, and only then.
  function finishForOthers() {
    initToggleItems();
    const Clipboard = window.ClipboardJS;
    window.ClipboardJS = class { on() {} }; // its listener is there already
    addCopyButtonToCodeCells();
    window.ClipboardJS = Clipboard;
    followContents();
  }

  // The contents beside the article: the section in sight is marked, and a note in the margin takes their place.
  let observers = [];
  function followContents() {
    observers.forEach((one) => one.disconnect());
    const contents = document.querySelector("#pst-secondary-sidebar");
    if (!contents || contents.hidden) return;
    const entries = new Map();
    for (const link of contents.querySelectorAll("a[href^='#']")) {
      const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (target) entries.set(target.querySelector("h2, h3, h4") ?? target, link);
    }
    const sections = new IntersectionObserver((seen) => {
      const last = entries.get(seen.filter((one) => one.isIntersecting).pop()?.target);
      if (!last) return;
      for (const link of entries.values()) {
        link.classList.toggle("active", link === last);
        if (link === last) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      contents.querySelectorAll(".toc-entry").forEach((entry) => entry.classList.toggle("active", entry.contains(last)));
    }, { rootMargin: "0px 0px -70% 0px" });
    entries.forEach((link, heading) => sections.observe(heading));
    const shown = new Set();
    const notes = new IntersectionObserver((seen) => {
      for (const one of seen) shown[one.isIntersecting ? "add" : "delete"](one.target);
      contents.classList.toggle("hide", shown.size > 0);
    }, { rootMargin: "0px 0px -33% 0px" });
    contents.classList.remove("hide");
    document.querySelectorAll(MARGIN).forEach((note) => notes.observe(note));
    observers = [sections, notes];
  }

  // Go to a page. `known` says that the browser's history has it already.
  async function visit(address, known) {
    const turn = ++visits, at = scrollY;
    asking = true;
    performance.mark("dln-click");
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    dlnPage.notebook.leave();
    try {
      const other = await fetched(address);
      if (turn !== visits) return; // the reader was quicker
      keepAddresses();
      if (!known) history.pushState(null, "", address);
      scrolled.set(shown, at);
      shown = page(address);
      asking = false;
      swap(other);
      finishForOthers();
      const done = dlnPage.arrive();
      spoken.textContent = document.title;
      place(known);
      focus();
      let moved = false; // by the reader
      for (const event of ["wheel", "touchstart", "keydown", "pointerdown"]) addEventListener(event, () => { moved = true; }, { once: true, passive: true });
      await done;
      if (!moved && turn === visits) place(known); // formulas have made the page longer
    } catch (error) {
      if (turn !== visits) return;
      console.warn(`${address} is loaded anew:`, error);
      if (location.href === address) location.reload();
      else location.assign(address);
    }
  }

  const named = () => location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));

  // Where a reader is after the way to a page: where they were, at the place that the address names, or at the top.
  function place(known) {
    if (known || !named()) scrollTo({ top: (known && scrolled.get(shown)) || 0, behavior: "instant" });
    else named().scrollIntoView({ behavior: "instant" });
  }

  function focus() {
    const goal = named() || document.querySelector("article h1");
    if (!goal.matches("a, button, [tabindex]")) goal.tabIndex = -1;
    goal.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const address = dlnPage.notebook && asked(event);
    if (!address) return;
    event.preventDefault();
    if (page(address) !== shown) visit(address, false);
    else place(false); // it is here
  });
  addEventListener("popstate", () => {
    if (page(location.href) === shown && !asking) return; // a place on this page
    if (dlnPage.notebook) visit(location.href, true);
    else location.reload();
  });
})();
