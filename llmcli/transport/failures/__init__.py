"""Failures: what went wrong outside, told as one of our errors."""
