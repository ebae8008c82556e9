"""Which device, which types, which memory mode, which attention: decided once, as data. And the noise pictures start from."""
