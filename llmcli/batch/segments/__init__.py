"""Segments: the records of a part on an object store, as a list of objects that each are written once."""
