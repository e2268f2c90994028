"""How the documents become pages: the repository is the source, so that its links are the site's links."""

import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import harness

gc.disable()  # pages are made of millions of nodes, of which few are garbage: a third of a build's time

project = "autograd-harness"
author = "the authors of autograd-harness"
project_copyright = "the authors of autograd-harness"
version = release = harness.__version__

root_doc = "docs/index"
include_patterns = ["docs/**", "results/**", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["build", "bench", "harness", "tests", ".*"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]

default_role = "code"  # docstrings write code between single backquotes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_use_ivar = True
myst_heading_anchors = 4
smartquotes = False  # most quotation marks stand in code
suppress_warnings = ["myst.header"]  # tables of results begin at the level that a job summary wants
highlight_language = "none"

html_theme = "furo"
html_title = f"autograd-harness {release}"
html_copy_source = False
html_show_sphinx = False
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["tables.css"]
