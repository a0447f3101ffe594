"""Small SavedModels to serve."""

import os
import shutil

import numpy as np
import tensorflow as tf


def save_linear(path: str, slope: float = 0.5, offset: float = 2.0) -> None:
    """y = slope * x + offset, a graph of TensorFlow 1 to predict, regress and classify with."""
    v1 = tf.compat.v1
    tensor_info = v1.saved_model.utils.build_tensor_info
    build = v1.saved_model.signature_def_utils.build_signature_def
    with tf.Graph().as_default(), v1.Session() as session:
        a = v1.Variable(slope, name="a", use_resource=False)
        b = v1.Variable(offset, name="b", use_resource=False)
        serialized = v1.placeholder(tf.string, name="tf_example")
        parsed = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        x = tf.identity(parsed["x"], name="x")
        y = tf.add(tf.multiply(a, x), b, name="y")
        label = tf.strings.as_string(y, name="lab")
        # Declared without a shape: the recorded server was given it like that.
        infos = {name: tensor_info(tensor) for name, tensor in {"x": x, "y": y}.items()}
        for info in infos.values():
            info.tensor_shape.Clear()
            info.tensor_shape.unknown_rank = True
        example = {"inputs": tensor_info(serialized)}
        scores = {"scores": infos["y"]}
        predict, regress, classify = (f"tensorflow/serving/{method}" for method in ("predict", "regress", "classify"))
        signatures = {
            "serving_default": build({"x": infos["x"]}, {"y": infos["y"]}, predict),
            "regress_x_to_y": build(example, {"outputs": infos["y"]}, regress),
            "classify_x_to_y": build(example, scores, classify),
            "classify_labels": build(example, scores | {"classes": tensor_info(label)}, classify),
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def save_twice_filled_table(path: str, key: bytes) -> None:
    """A table whose filling fails: `key` has two values."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        initializer = tf.lookup.KeyValueTensorInitializer([key, key], [1, 2], tf.string, tf.int64)
        tf.lookup.StaticHashTable(initializer, 0)
        builder = v1.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(session, ["serve"], main_op=v1.tables_initializer())
        builder.save()


def save_list(path: str) -> None:
    """Three items for a user: the first of the history, else "none"; strings and floats out."""

    class Lists(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="user_id"),
                tf.TensorSpec([None, None], tf.string, name="history"),
            ]
        )
        def serve(self, user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
            users = tf.shape(user_id)[0]
            padding = tf.fill([tf.shape(history)[0], 3], "none")
            first = tf.concat([history, padding], 1)[:, :3]
            item = tf.strings.join([tf.repeat(user_id[:, None], 3, 1), first], separator=":")
            score = tf.cast(tf.range(3, 0, -1), tf.float32)[None, :] / 3.0 + tf.zeros([users, 3])
            return {"item_id": item, "score": score}

    module = Lists()
    tf.saved_model.save(module, path, signatures={"serving_default": module.serve})


def save_kinds(path: str) -> None:
    """Signatures of many types, with scalars, infinities, an assertion and a loop."""

    def spec(shape: list[int | None], dtype: tf.DType, name: str) -> tf.TensorSpec:
        return tf.TensorSpec(shape, dtype, name=name)

    class Kinds(tf.Module):
        @tf.function(
            input_signature=[
                spec([None], tf.int64, "i"),
                spec([None], tf.bool, "b"),
                spec([None, 2], tf.float64, "d"),
            ]
        )
        def serve(self, i: tf.Tensor, b: tf.Tensor, d: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"i2": i * 2, "nb": tf.logical_not(b), "d2": d / 2, "total": tf.reduce_sum(i)}

        @tf.function(input_signature=[spec([None], tf.float32, "z")])
        def inv(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"out": 1.0 / z, "sq": tf.sqrt(z)}

        @tf.function(input_signature=[spec([None], tf.string, "s")])
        def echo(self, s: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"s": s, "raw_bytes": s, "n": tf.strings.length(s)}

        @tf.function(input_signature=[spec([None], tf.float32, "x")])
        def boom(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            check = tf.debugging.assert_positive(x, message="x must be positive")
            with tf.control_dependencies([check]):
                return {"y": x + 1}

        @tf.function(input_signature=[spec([], tf.float32, "x")])
        def scalar(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": x + 1}

        @tf.function(input_signature=[spec([], tf.string, "text")])
        def shout(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"text": tf.strings.upper(text)}

        @tf.function(input_signature=[spec([], tf.int64, "turns")])
        def loop(self, turns: tf.Tensor) -> dict[str, tf.Tensor]:
            (count,) = tf.while_loop(lambda i: i < turns, lambda i: (i + 1,), (tf.constant(0, tf.int64),))
            return {"count": count}

        @tf.function(input_signature=[spec([None], tf.uint8, "x")])
        def narrow(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"half": tf.cast(x, tf.float16)}

    module = Kinds()
    names = ("inv", "echo", "boom", "scalar", "shout", "loop", "narrow")
    signatures = {name: getattr(module, name) for name in names}
    tf.saved_model.save(module, path, signatures={"serving_default": module.serve, **signatures})


def save_scann(path: str) -> None:
    """The five nearest of 50 points by ScaNN's ops; the signature `plain` does without them."""
    from scann import scann_ops

    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    searcher = scann_ops.builder(points, 5, "dot_product").score_brute_force().build()

    class Search(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state = searcher.serialize_to_module()
            self.points = tf.constant(points)

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="query")])
        def serve(self, query: tf.Tensor) -> dict[str, tf.Tensor]:
            found, score = scann_ops.searcher_from_module(self.state, self.points).search_batched(query)
            return {"index": found, "score": score}

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="query")])
        def plain(self, query: tf.Tensor) -> dict[str, tf.Tensor]:
            scores, found = tf.math.top_k(tf.matmul(query, self.points, transpose_b=True), 5)
            return {"index": found, "score": scores}

    module = Search()
    signatures = {"serving_default": module.serve, "plain": module.plain}
    tf.saved_model.save(module, path, signatures=signatures)


def push(source: str, target: str) -> None:
    """Makes a copy appear at once, complete: written beside, then renamed."""
    beside = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.part")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copytree(source, beside)
    os.rename(beside, target)
