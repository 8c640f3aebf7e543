"What several test files share: the place of the project and the notebooks."

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DLNBOOK_EXPLORE"] = "probe"
os.environ.setdefault("DLNBOOK_SIZE", "book")
