"""Archives with byte code: run inside of Pyodide by bytecode.mjs, since byte code belongs to one version of Python.

A start of live Python spends two fifths of its processor time on compiling modules, the same ones for every reader. What
the start has imported is compiled here instead; all other files stay as they are. Byte code keeps the hash of its source.
"""

import base64
import csv
import hashlib
import io
import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

PLACES = {".whl": "/lib/python3.{}/site-packages/", ".zip": "/lib/python3{}.zip/"}  # where Pyodide puts an archive's files


def imported():
    "The files of all modules that are loaded now."
    return {getattr(module, "__file__", None) for module in list(sys.modules.values())}


def byte_code(source, name):
    "A module's byte code, which no import compares with its source: that is not there."
    with tempfile.TemporaryDirectory() as folder:
        path, goal = Path(folder, "source.py"), Path(folder, "code.pyc")
        path.write_bytes(source)
        py_compile.compile(str(path), str(goal), name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        return goal.read_bytes()


def replace(source, target, wanted):
    "Copy an archive, with byte code in place of the modules that are wanted, if there are any; return how many there are."
    place = PLACES[source.suffix].format(sys.version_info.minor)
    with zipfile.ZipFile(source) as old:
        modules = {name for name in old.namelist() if name.endswith(".py") and place + name in wanted}
        if modules:
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
                record = {}
                for each in old.infolist():
                    name, content = each.filename, old.read(each)
                    if name in modules:
                        each.filename, content = name + "c", byte_code(content, place + name)
                        record[name] = [each.filename, hashed(content), str(len(content))]
                    elif name.endswith(".dist-info/RECORD"):  # the last one in every wheel
                        content = listed(content.decode(), record)
                    new.writestr(each, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return len(modules)


def hashed(content):
    "A file's hash as a wheel's list has it."
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def listed(text, record):
    "A wheel's list of its files, with the new ones in place of those that are gone."
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(record.get(row[0], row) for row in csv.reader(io.StringIO(text)) if row)
    return out.getvalue().encode()
