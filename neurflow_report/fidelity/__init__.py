"""The experiments that test a circuit against nulls (METHOD §5), one module each: network and records in, records out."""
