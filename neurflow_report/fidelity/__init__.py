"""The experiments that test a circuit against nulls (METHOD §5): network and records in, records out."""
