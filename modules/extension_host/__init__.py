"""The host of strangers' code: which extensions there are, and (later) their events."""
