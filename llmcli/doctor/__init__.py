"""Doctor: what works here and what does not, found without asking a model."""
