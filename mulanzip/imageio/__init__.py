"""Image files <-> planes and metadata."""
