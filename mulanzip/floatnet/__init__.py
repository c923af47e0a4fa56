"""The float twin of the integer network: weights, loss, export."""
