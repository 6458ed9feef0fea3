"""What a `gpu` worker does for a job: train or examine an expert, compose a release.

The only rooms that import torch are this one, `engine` and the serving process.
"""
