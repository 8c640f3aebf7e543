// Looks words up in the book's sections (sections.js) with MiniSearch, and shows the sections, best first.
(() => {
  const SHOWN = 20, AROUND = 90; // results, and characters on either side of the first word found
  const field = document.querySelector(".bd-search-container input[name=q]");
  const place = document.querySelector("#search-results");
  if (!field || !place || !window.dlnSections) return;

  // Singular and plural are one word, a verb and its -ing too; capitals and accents do not matter.
  const stem = (word) => {
    const bare = word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replace(/[’']s$/, "");
    return bare.length < 5 ? bare : bare.replace(/(?<=[a-z]{3})(?:ies|y)$/, "i").replace(/(?<=[^s])s$/, "").replace(/(?<=[a-z]{4})ing$/, "");
  };
  const index = new MiniSearch({
    fields: ["title", "terms", "page", "text"],
    storeFields: ["weight"],
    processTerm: stem,
  });
  index.addAll(window.dlnSections);

  const options = {
    boost: { title: 4, terms: 6, page: 1.5 },
    prefix: (term) => term.length > 3,
    boostDocument: (id, term, stored) => stored.weight,
  };
  const plain = (text) => text.toLowerCase().replace(/[-‐\s]+/g, " ");

  // All the words; failing that some of them, and words that look alike. Words side by side count more than words apart.
  function look(query) {
    let found = index.search(query, { ...options, combineWith: "AND" });
    if (!found.length) found = index.search(query, { ...options, fuzzy: 0.2 });
    const phrase = plain(query.trim());
    for (const each of found) {
      const section = window.dlnSections[each.id];
      if (plain(section.terms).split(" · ").includes(phrase)) each.score *= 4;
      else if (plain(section.title + " " + section.terms).includes(phrase)) each.score *= 2;
      else if (plain(section.text).includes(phrase)) each.score *= 1.4;
    }
    return found.sort((one, other) => other.score - one.score);
  }

  // The text around the first word found, the words marked.
  function excerpt(text, words) {
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const pattern = escaped.length ? new RegExp(`(?<![\\p{L}\\p{N}])(?:${escaped.join("|")})[\\p{L}]*`, "giu") : null;
    const at = Math.max(0, pattern ? text.search(pattern) : 0);
    const start = at <= AROUND ? 0 : text.indexOf(" ", at - AROUND) + 1;
    const rest = text.length <= at + 2 * AROUND ? text.length : text.lastIndexOf(" ", at + 2 * AROUND);
    const piece = text.slice(start, Math.max(rest, at + 1));
    const line = document.createElement("p");
    line.className = "dln-excerpt";
    line.append(start ? "… " : "");
    let last = 0;
    for (const match of pattern ? piece.matchAll(pattern) : []) {
      line.append(piece.slice(last, match.index), Object.assign(document.createElement("mark"), { textContent: match[0] }));
      last = match.index + match[0].length;
    }
    line.append(piece.slice(last), start + piece.length < text.length ? " …" : "");
    return line;
  }

  function show(query) {
    place.replaceChildren();
    if (!query.trim()) return;
    const found = look(query), shown = found.slice(0, SHOWN);
    const say = Object.assign(document.createElement("p"), {
      textContent: found.length ? `${found.length} section${found.length > 1 ? "s" : ""}${found.length > SHOWN ? `, the best ${SHOWN} of them` : ""}.` : "Nothing found. The index and the glossary may have another word for it.",
    });
    const list = document.createElement("ol");
    for (const each of shown) {
      const section = window.dlnSections[each.id], item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: section.url, textContent: section.title });
      item.append(link);
      if (section.page) item.append(" ", Object.assign(document.createElement("span"), { className: "dln-where", textContent: section.page }));
      item.append(excerpt(section.text || section.terms, [...new Set([...each.queryTerms, ...each.terms])]));
      list.append(item);
    }
    place.append(...(found.length ? [say, list] : [Object.assign(say, { className: "dln-nothing" })]));
  }

  const query = new URLSearchParams(location.search).get("q") ?? "";
  field.value = query;
  field.addEventListener("input", () => show(field.value));
  show(query);
  field.focus();
})();
