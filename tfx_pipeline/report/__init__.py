"""What a run did, as an HTML report and as the lines at its end."""

from tfx_pipeline.report.collect import collect
from tfx_pipeline.report.contents import RunFacts
from tfx_pipeline.report.render import render, write
from tfx_pipeline.report.summary import summary

__all__ = ["RunFacts", "collect", "render", "summary", "write"]
