"""The words of the libraries: what the curve is, how warmup counts, whose a boundary is, what the floor is."""

from __future__ import annotations

from typing import NamedTuple

SHAPE = {
    "constant": "one rate",
    "linear": "a straight line",
    "polynomial": "a power of what is left, 1/2 and 2 among them",
    "cosine": "half a cosine",
    "cosine restarts": "half a cosine in each cycle",
    "exponential": "the same factor at every update",
    "inverse time": "1 / (1 + t)",
    "inverse square root": "1 / sqrt(t)",
    "power": "another power of t",
    "hyperbolic": "the arc of a hyperbola",
    "reflected exponential": "(1 - u) / (1 - u / 2)",
    "tanh": "the hyperbolic tangent",
    "Chebyshev": "the roots of a Chebyshev polynomial",
    "step": "the same factor every so many updates",
    "multi-step": "the same factor at each milestone",
    "piecewise constant": "a rate of its own, or a factor of its own, in each part",
    "points": "through given points",
    "triangular": "up and down in straight lines",
    "one cycle": "once up to the peak, and down below the start",
    "warmup-stable-decay": "a stable part and a decay, after a warmup or none",
    "range test": "the rate rises to find the highest that trains",
    "warmup": "a warmup, then another schedule",
    "sequence": "other schedules, one after the other",
    "product": "the product of other schedules",
    "user function": "a function of your own",
    "as given": "what it is given says which",
}
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


__all__ = ["BOUNDARY", "FLOOR", "HORIZON", "PAST", "SHAPE", "WARMUP", "Conventions"]
