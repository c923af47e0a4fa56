"""Choices that only an encoder makes.  A decoder never imports this package."""
