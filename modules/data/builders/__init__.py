"""The data sets as TensorFlow Datasets builders; importing this registers them with `tfds`."""

from modules.data.builders.amazon_ratings import AmazonRatings
from modules.data.builders.gowalla import Gowalla
from modules.data.builders.movie_lens import MovieLens
from modules.data.builders.taobao import Taobao

__all__ = ["AmazonRatings", "Gowalla", "MovieLens", "Taobao"]
