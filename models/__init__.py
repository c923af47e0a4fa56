"""Pretrained models: one safetensors file each, with a card beside it."""
