# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site; tests/tools/site_pages.py puts the pages beside this file and runs it."""

from __future__ import annotations

project = "abstractfinance.ibgateway"
copyright = "AbstractFinance"  # noqa: A001  (the name is Sphinx's)
html_title = "ibgateway"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 4
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
highlight_language = "yaml"
default_role = "any"
nitpicky = True
