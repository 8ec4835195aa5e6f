"""Made-up answers for the embedded provider: values that are valid for a JSON Schema."""
