"""The Batch API of a provider: files that go up and come down, and the batches that are made of them."""
