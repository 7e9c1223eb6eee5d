"""Engines that run many independent calls: one loses a call, never the others.

A call is `function(*arguments)` of a function that a fresh process can import. `InProcess` runs
them here; `LocalPool` in child processes, one thread each, with a time limit; `DaskCluster` in
such children of the workers of a dask scheduler. What a call returns does not depend on the
engine.
"""

from her2.compute.dask_cluster import DaskCluster
from her2.compute.local_pool import Engine, Finished, InProcess, LocalPool, Lost, Reason

__all__ = ["DaskCluster", "Engine", "Finished", "InProcess", "LocalPool", "Lost", "Reason"]
