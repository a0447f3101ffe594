"""What is served: the trained model behind the serving contract, with a portable or a ScaNN index."""
