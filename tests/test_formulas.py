"Formulas in their place: what the page does with one that is wider, and which still scroll on a phone."

import pytest
from conftest import ROOT
from docutils import nodes
from docutils.utils import new_document

from book.formulas import keep_punctuation
