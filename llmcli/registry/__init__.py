"""What is known beforehand of providers, models, prices and limits; the tables are read when first asked."""
