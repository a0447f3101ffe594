"""What a served model is asked for beside a user's list, one file a wish, in TensorFlow's stock operations."""
