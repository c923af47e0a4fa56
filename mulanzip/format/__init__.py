"""Bytes <-> dataclasses: containers and archives.  Decodes no pixel."""
