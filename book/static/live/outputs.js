// What a cell shows: the same elements, in the same classes, as in the static page.

const element = (name, className, text) => Object.assign(document.createElement(name), { className, ...(text === undefined ? {} : { textContent: text }) });

function preformatted(kind, text) {
  const outer = element("div", `output ${kind} notranslate`);
  const pre = element("pre", "", text);
  outer.appendChild(element("div", "highlight")).append(pre);
  return outer;
}

// A carriage return begins the line anew, as in a terminal.
const lastOf = (line) => line.replace(/\r+$/, "").split("\r").pop();
const overwrite = (text) => (text.includes("\r") ? text.split("\n").map(lastOf).join("\n") : text);

const mathematics = (tex) => {
  const bare = tex.trim().replace(/^\$\$?\s*(?:\\displaystyle)?|\$\$?$/g, "");
  return /^\s*(\$\$|\\begin|\$\\displaystyle)/.test(tex) ? `\\[${bare}\\]` : `\\(${bare}\\)`;
};

const marked = (text) =>
  text.replace(/\$\$([^$]+)\$\$/g, (_, tex) => `\\[${tex}\\]`).replace(/\$([^$\n]+)\$/g, (_, tex) => `\\(${tex}\\)`);

function raw(kind, html) {
  const outer = element("div", `output ${kind}`);
  outer.append(document.createRange().createContextualFragment(html)); // scripts in it run: the reader wrote it
  return outer;
}

// The richest form that a page can show, first.
const FORMS = {
  "text/html": (value) => raw("text_html", value),
  "image/svg+xml": (value) => raw("text_html", value),
  "image/png": (value) => Object.assign(element("img", "output"), { src: `data:image/png;base64,${value}`, alt: "a picture made by this cell" }),
  "image/jpeg": (value) => Object.assign(element("img", "output"), { src: `data:image/jpeg;base64,${value}`, alt: "a picture made by this cell" }),
  "text/latex": (value) => element("div", "output math tex2jax_process", mathematics(value)),
  "text/markdown": (value) => element("div", "output dln-markdown tex2jax_process", marked(value)),
  "text/plain": (value) => preformatted("text_plain", value),
};
const WIDGET = "application/vnd.jupyter.widget-view+json";

// A number for the prose is kept with its cell; the prose has the book's.
function glued(data, metadata) {
  const value = data[`${metadata?.scrapbook?.mime_prefix}text/plain`];
  return value && Object.assign(document.createElement("data"), { hidden: true, value, title: metadata.scrapbook.name });
}

export class Outputs {
  constructor(host, widgets) {
    Object.assign(this, { host, widgets, printed: null, clearing: false, named: new Map() });
  }

  clear() {
    this.host.replaceChildren();
    this.printed = null;
    this.clearing = false;
  }

  add(output) {
    if (output.type === "clear") {
      this.clearing = output.wait;
      if (!output.wait) this.clear();
      return;
    }
    if (output.type === "update") return this.update(output);
    if (this.clearing) this.clear();
    if (output.type === "stream") return this.stream(output);
    this.printed = null;
    if (output.type === "error") this.host.append(preformatted("traceback", output.text));
    else this.display(output);
  }

  stream({ name, text }) {
    if (this.printed?.name !== name) {
      this.printed = { name, text: "", element: preformatted(`stream ${name === "stderr" ? "stderr" : ""}`, "") };
      this.host.append(this.printed.element);
    }
    this.printed.text = overwrite(this.printed.text + text);
    this.printed.element.querySelector("pre").textContent = this.printed.text;
    this.printed.element.hidden = !this.printed.text.trim();
  }

  display({ data, metadata, transient }) {
    const shown = this.form(data) ?? glued(data, metadata);
    if (!shown) return;
    if (transient?.display_id) this.named.set(transient.display_id, shown);
    this.host.append(shown);
    typeset(shown);
  }

  update({ data, transient }) {
    const before = this.named.get(transient?.display_id);
    const shown = before && this.form(data);
    if (!shown) return;
    this.named.set(transient.display_id, shown);
    before.replaceWith(shown);
    typeset(shown);
  }

  // The element for a bundle of forms, if there is one that a page can show.
  form(data) {
    if (data[WIDGET]) {
      const host = element("div", "output text_html");
      this.widgets().show(data[WIDGET].model_id, host).catch((error) => host.append(preformatted("traceback", String(error))));
      return host;
    }
    const kind = Object.keys(FORMS).find((each) => each in data);
    return kind ? FORMS[kind](data[kind]) : null;
  }
}

function typeset(shown) {
  window.MathJax?.startup?.promise?.then(() => window.MathJax.typesetPromise([shown])).catch((error) => console.warn(error));
}
