"""The library's reference: a page for each module, made from the docstrings, and a table of all names.

The pages say which notebook each module comes from and which chapters use each of its functions.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from book import notebooks
from book.notebooks import Notebook

FOLDER = notebooks.ROOT / "reference"
GROUPS = {"The chapters": r"\d", "From the page to the library": "lib_", "Workshop": "tools_"}
UNDOCUMENTED = {"arguments"}  # whose instances explain themselves
ROLES = {ast.FunctionDef: "func", ast.ClassDef: "class"}


def title(book: Notebook) -> str:
    "The notebook's heading."
    return next(cell.source for cell in book.cells if cell.kind == "markdown").partition("\n")[0].removeprefix("# ")


def sources() -> dict[str, Notebook]:
    "By module that has public names, without the package's name, the notebook that exports it."
    found = {book.module.removeprefix("dlnbook."): book for book in notebooks.read_all() if book.module}
    return {module: book for module, book in found.items() if module != "__init__" and public(module)}


def public(module: str) -> list[tuple[str, str]]:
    "The functions and classes of a module that have a docstring, and its data below a comment `#:`, each with the role of a reference to it."
    text = (notebooks.LIBRARY / f"{module}.py").read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for node in ast.parse(text).body:
        if type(node) in ROLES and ast.get_docstring(node):
            found.append((node.name, ROLES[type(node)]))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            if lines[node.lineno - 2].startswith("#:") or module in UNDOCUMENTED:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [one for target in targets for one in getattr(target, "elts", [target])]  # several may be bound at once
                found += [(one.id, "data") for one in names if isinstance(one, ast.Name)]
    return [(name, role) for name, role in found if not name.startswith("_")]


def imported(code: str) -> set[str]:
    "The names of the library that some code imports, each with its module."
    from dlnbook import _MODULE_OF

    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dlnbook":
            for each in node.names:
                module = _MODULE_OF.get(each.name) if node.module == "dlnbook" else node.module.removeprefix("dlnbook.")
                found.add(f"dlnbook.{module}.{each.name}")
    return found


def users() -> dict[str, list[Notebook]]:
    "By name, the chapters and engine rooms that import it."
    found: dict[str, list[Notebook]] = {}
    for book in notebooks.live():
        for name in sorted(imported(book.code)):
            found.setdefault(name, []).append(book)
    return found


def used_in(books: list[Notebook]) -> str:
    "A sentence that says where, with links."
    chapters = [f":doc:`{int(book.name[:2])} </nbs/{book.name}>`" for book in books if book.name[0].isdigit()]
    rooms = [f":doc:`{title(book)} </nbs/{book.name}>`" for book in books if not book.name[0].isdigit()]
    said = [f"chapter{'s' * (len(chapters) > 1)} {_and(chapters)}"] if chapters else []
    return f"Used in {', and in '.join(said + ([_and(rooms)] if rooms else []))}."


def _and(words: list[str]) -> str:
    "Words in a row."
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# Files


def write(table: Path) -> None:
    "Write a page for each module, and the table of all of them, which the reference's first page includes."
    FOLDER.mkdir(exist_ok=True)
    by_module, who = sources(), users()
    pages = {FOLDER / f"{module}.md": page(module, book, who) for module, book in by_module.items()}
    for old in set(FOLDER.glob("*.md")) - set(pages):
        old.unlink()
    for path, text in {**pages, table: overview(by_module)}.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(module: str, book: Notebook, who: dict[str, list[Notebook]]) -> str:
    "A module's page. The comment makes it another file when other chapters use it, so that it is read again."
    names = ", ".join(f"`{name}`" for name, _ in public(module))
    undocumented = "\n   :undoc-members:" if module in UNDOCUMENTED else ""
    used = "; ".join(f"{name}: {' '.join(each.name for each in who[f'dlnbook.{module}.{name}'])}" for name, _ in public(module) if f"dlnbook.{module}.{name}" in who)
    return f"""# `dlnbook.{module}`

The code of {{doc}}`{title(book)} <../nbs/{book.name}>`: {names}.

% {used}

```{{eval-rst}}
.. automodule:: dlnbook.{module}
   :members:{undocumented}
```
"""


def overview(by_module: dict[str, Notebook]) -> str:
    "The table of modules and names, in the groups of the book's contents."
    lines = []
    contents = (notebooks.ROOT / "_toc.yml").read_text(encoding="utf-8")
    for group, begins in GROUPS.items():
        lines += [f"## {group}", "", "| module | comes from | names |", "|---|---|---|"]
        for module, book in sorted(by_module.items(), key=lambda item: contents.find(f"nbs/{item[1].name}\n")):
            if re.match(begins, book.name):
                names = ", ".join(f"{{py:{role}}}`~dlnbook.{module}.{name}`" for name, role in public(module))
                lines.append(f"| {{doc}}`{module} <reference/{module}>` | {{doc}}`nbs/{book.name}` | {names} |")
        lines.append("")
    return "\n".join(lines)


# In the docstrings


def find_users(app: Sphinx) -> None:
    "Remember who uses what."
    app.dln_users = users()


def name_users(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    "Say below a function or class which chapters use it."
    if books := app.dln_users.get(name):
        lines += ["", ".. container:: dln-derived", "", f"   {used_in(books)}"]


def readable(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None) -> tuple[str | None, str | None]:
    "A signature that Sphinx can read, and set with one parameter a line: a dataclass has no word for what its fields begin with."
    return signature and signature.replace("<factory>", "..."), returns


def skip_foreign(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    "Leave out what scikit-learn puts into its estimators; its words link into its own documentation."
    return True if (getattr(obj, "__module__", None) or "").startswith("sklearn.") else None


def setup(app: Sphinx) -> dict[str, Any]:
    "Called by Sphinx."
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-signature", readable)
    app.connect("builder-inited", find_users)
    app.connect("autodoc-process-docstring", name_users, priority=401)  # after the book's other links, before napoleon
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
