// The reader's changes, kept in the browser under the page's address: the book's text of a cell -> the reader's.

export class Edits {
  constructor(key) {
    this.key = `dlnbook:${key}`;
    try {
      this.texts = JSON.parse(localStorage.getItem(this.key)) ?? {};
    } catch {
      this.texts = {}; // storage is forbidden, or holds something else
    }
  }

  get count() { return Object.keys(this.texts).length; }

  of(book) { return Object.hasOwn(this.texts, book) ? this.texts[book] : book; }

  keep(book, text) {
    if (text === book) delete this.texts[book];
    else this.texts[book] = text;
    try {
      if (this.count) localStorage.setItem(this.key, JSON.stringify(this.texts));
      else localStorage.removeItem(this.key);
    } catch { /* kept until the page is left, no longer */ }
  }
}
