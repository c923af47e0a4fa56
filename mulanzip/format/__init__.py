"""Bytes <-> dataclasses: single images and archives.  Decodes no pixels, needs no torch."""
