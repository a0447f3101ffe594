"""The data sets as TensorFlow Datasets builders; importing this registers them with `tfds`."""

from modules.datasets.amazon_ratings import AmazonRatings
from modules.datasets.gowalla import Gowalla
from modules.datasets.movie_lens import MovieLens
from modules.datasets.taobao import Taobao

__all__ = ["AmazonRatings", "Gowalla", "MovieLens", "Taobao"]
