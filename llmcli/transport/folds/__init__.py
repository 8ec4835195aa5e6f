"""Folds: the chunks of a stream to what an unstreamed call would have returned."""
