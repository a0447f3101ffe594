"""How requests and tensors are written: JSON, protos, text protos."""
