"""Files, and many of them: compress, restore, pack, batches, clusters."""
