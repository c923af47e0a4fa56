"""PNG files that come back byte for byte."""
