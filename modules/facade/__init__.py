"""A1111's module names, for extensions: each re-exports what the house has, the rest are stubs. Nobody in the house imports them."""
