"""Speed of training and of drawing negatives, each figure beside a peer measured in the same run."""
