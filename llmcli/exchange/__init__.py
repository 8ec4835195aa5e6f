"""The exchange: one request on its way, from what was asked to an answer that is shown, paid and judged."""
