"""The joint search over policies, the engines that run it, and the study that remembers it."""

from __future__ import annotations
