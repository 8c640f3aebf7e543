"""A new session in a Python that runs: what the last one has defined, changed or written is gone, what it has loaded stays.

Loading is what a start of Python takes so long for. What a reader has broken inside of a package is not mended; a start is.
"""

import builtins
import gc
import os
import random
import sys
import tempfile
import tracemalloc
import warnings
from pathlib import Path

OURS = "dlnbook"  # its modules keep tables that cells may extend
TIED = ("matplotlib.pyplot", "matplotlib_inline")  # these tie themselves to the shell when they are loaded


class Session:
    "What a shell of IPython, its files and the interpreter are like now, and the way back to that."

    def __init__(self, shell, home):
        import numpy as np

        self.shell, self.places = shell, [Path(home), Path(tempfile.gettempdir())]
        self.files = set(self._files())
        self.folder, self.path, self.environ = os.getcwd(), sys.path[:], dict(os.environ)
        self.builtins, self.streams = dict(vars(builtins)), (sys.stdout, sys.stderr, sys.displayhook, sys.excepthook)
        self.filters, self.deepest = warnings.filters[:], sys.getrecursionlimit()
        self.printing, self.errors = np.get_printoptions(), np.geterr()
        self.lists = [(each, each[:]) for each in self._lists()]
        self.tables = [(each, dict(each)) for each in self._tables()]
        self.names = dict(shell.user_ns)

    def renew(self):
        "Go back."
        self._close_widgets()
        self._reset_interpreter()
        self._reset_packages()
        for name in [name for name in sys.modules if self._belongs_to_session(name)]:
            del sys.modules[name]
        for kept, before in self.lists:
            kept[:] = before
        for kept, before in self.tables:
            kept.clear()
            kept.update(before)
        self.shell.reset(new_session=True)
        for name, value in self.names.items():  # it leaves out some of its own
            self.shell.user_ns.setdefault(name, value)
        for path in sorted(set(self._files()) - self.files, reverse=True):  # what is in a folder before the folder
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        gc.collect()

    def _lists(self):
        "What cells can have the shell do besides."
        shell = self.shell
        return [shell.ast_transformers, shell.input_transformers_cleanup, shell.input_transformers_post, *shell.events.callbacks.values()]

    def _tables(self):
        "How the shell shows objects of a kind."
        formatters = self.shell.display_formatter.formatters.values()
        return [table for each in formatters for table in (each.singleton_printers, each.type_printers, each.deferred_printers)]

    def _files(self):
        "All that is in the reader's folders."
        return [path for place in self.places if place.is_dir() for path in place.rglob("*")]

    def _belongs_to_session(self, name):
        "Whether a module is to be loaded anew: ours, the reader's, and those that are tied to the shell."
        if name.split(".")[0] == OURS or any(name == tied or name.startswith(tied + ".") for tied in TIED):
            return True
        file = getattr(sys.modules[name], "__file__", None)
        return bool(file) and any(place in Path(file).parents for place in self.places)

    def _close_widgets(self):
        "Those of the page that was left."
        if "ipywidgets" in sys.modules:
            sys.modules["ipywidgets"].Widget.close_all()
        if "comm" in sys.modules:
            sys.modules["comm"].get_comm_manager().comms.clear()

    def _reset_interpreter(self):
        "Folder, environment, built-in names, streams, warnings, limits."
        os.chdir(self.folder)
        sys.path[:] = self.path
        for name in os.environ.keys() - self.environ.keys():
            del os.environ[name]
        os.environ.update(self.environ)
        for name in vars(builtins).keys() - self.builtins.keys():
            delattr(builtins, name)
        vars(builtins).update(self.builtins)
        sys.stdout, sys.stderr, sys.displayhook, sys.excepthook = self.streams
        warnings.filters[:] = self.filters
        warnings._filters_mutated()
        sys.setrecursionlimit(self.deepest)
        gc.enable()
        tracemalloc.stop()
        random.seed()

    def _reset_packages(self):
        "What is set for all of a package."
        import numpy as np

        np.set_printoptions(**self.printing)
        np.seterr(**self.errors)
        np.random.seed()
        if "tqdm" in sys.modules:
            getattr(sys.modules["tqdm"].tqdm, "_instances", set()).clear()
        if matplotlib := sys.modules.get("matplotlib"):
            if helpers := sys.modules.get("matplotlib._pylab_helpers"):
                helpers.Gcf.destroy_all()
            dict.update(matplotlib.rcParams, matplotlib.rcParamsOrig)
            if backend := os.environ.get("MPLBACKEND"):
                matplotlib.rcParams["backend"] = backend
