"""The audit: an append-only, hash-chained record of everything, in files outside the working state."""
