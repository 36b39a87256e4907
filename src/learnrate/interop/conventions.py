"""The words in which libraries differ: how warmup counts, which side a boundary belongs to, what the floor is."""

from __future__ import annotations

from typing import NamedTuple

WARMUP = {
    "": "no warmup",
    "t/W": "counted from 0: the first update has the start value, the peak is at update W",
    "(t+1)/W": "counted from 1: the first update is one step up, the peak is at update W - 1",
    "(t+1)/(W+1)": "counted from 1, and one step longer: the peak is at update W",
    "t/(W-1)": "one step shorter: the start value is at update 0, the peak at update W - 1",
    "(t-1)/W": "one update late: the first two updates have the start value, the peak is at update W + 1",
    "log": "the logarithm of t",
    "log, late": "the logarithm of t, one update late: the first two updates have the start value",
    "other": "a curve of its own",
}
BOUNDARY = {
    "": "no boundary",
    "t >= b": "the boundary has the new value",
    "t > b": "the boundary still has the old value",
    "t + 1 >= b": "the update before the boundary has the new value",
}
HORIZON = {
    "": "it names no end",
    "whole": "the end counts from the start of the run, warmup included",
    "after warmup": "the end counts from the end of the warmup",
    "per cycle": "what is named is the length of a cycle",
}
FLOOR = {
    "": "no floor",
    "rate": "the floor is a rate",
    "ratio": "the floor is a share of the base rate",
    "clipped": "the curve goes to 0 and is cut off at a floor that is a rate",
    "clipped ratio": "the curve goes to 0 and is cut off at a floor that is a share of the base rate",
}
PAST = {
    "holds": "keeps the end value",
    "bounces": "rises again",
    "restarts": "starts over",
    "continues": "the formula goes on",
    "negative": "falls below 0",
    "jumps": "leaves the end value at once",
    "raises": "the library raises an error; ours holds the last value",
}


class Conventions(NamedTuple):
    """One row of the table "library x shape x convention"; each word is a key of the tables above."""

    shape: str
    warmup: str = ""
    boundary: str = ""
    horizon: str = ""
    floor: str = ""
    past: str = "holds"


__all__ = ["BOUNDARY", "FLOOR", "HORIZON", "PAST", "WARMUP", "Conventions"]
