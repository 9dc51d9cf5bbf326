"""The forms a set of labelled photos comes in."""
