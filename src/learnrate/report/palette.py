"""Colours that stay apart for colour-blind readers (Okabe and Ito 2008), and dashes that stay apart without any."""

from __future__ import annotations

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")
"""Six hues of Okabe and Ito and a brown of middling lightness, readable on white and on near-black."""

DASHES = (("-", "solid"), ("--", "dash"), ("-.", "dashdot"), (":", "dot"))
"""Matplotlib's and Plotly's word for each pattern; with seven colours they repeat together after 28 curves."""

QUIET = "#9AA0A6"
"""The grey of what is there for context."""

FAINT = "rgba(154, 160, 166, 0.55)"
"""The same, for lines behind dots."""
