"""The model manager: what files there are, what they are, their hashes and cards. Reads headers, never weights."""
