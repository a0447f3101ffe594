"""From filtered interactions to `tf.train.Example`s."""
