"""Work that the server owns: submitted, queued, watched, interrupted, and found again after a restart."""
