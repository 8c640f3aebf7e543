// Two depths of reading: the switch that opens and closes all folded code, and remembers.
// It shows what the page shows: "Reading" if every fold is closed, "All code" if every one is open, else neither.
(() => {
  const KEY = "dlnbook-depth";
  const folds = () => document.querySelectorAll("details.dln-fold");
  const buttons = () => document.querySelectorAll(".dln-depth button");

  function show(depth) {
    folds().forEach((fold) => { fold.open = depth === "all"; });
    mark();
  }

  function mark() {
    const all = [...folds()], open = all.filter((fold) => fold.open).length;
    const depth = open === 0 ? "reading" : open === all.length ? "all" : "between";
    for (const button of buttons()) button.setAttribute("aria-pressed", String(button.value === depth));
  }

  document.addEventListener("toggle", mark, true); // by hand, by a link, or because Python came alive

  // What a link leads to is opened.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target?.closest?.("details:not([open])");
    if (fold) { fold.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);

  dlnPage.wake(() => {
    for (const button of buttons()) {
      button.onclick = () => {
        show(button.value);
        localStorage.setItem(KEY, button.value);
      };
    }
    if (buttons().length && localStorage.getItem(KEY) === "all") show("all");
    reveal();
  });

  // On paper solutions and answers are open; of the code, what is open here.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("article details:not([open], .dln-fold)")];
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));
})();
