"""The float network: weights, loss, export to integers."""
