"""How Sphinx builds the documentation: make docs"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

import phasenet  # noqa: E402

project = "phasenet + mimamo"
author = "the phasenet developers"
copyright = author
version = release = phasenet.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "mathml",
    "figures",
    "commands",
]
html_theme = "furo"
html_title = project
html_math_renderer = "mathml"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["wide.css"]

myst_enable_extensions = ["dollarmath", "attrs_block"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
add_module_names = False
default_role = "code"
highlight_language = "text"
exclude_patterns = ["extensions"]
