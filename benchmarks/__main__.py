"""rushmodel against its peers: one run, one table, plots.

    benchmarks/run [--quick] [--only STAGES] [--engines ENGINES]   # makes its own environment
    python -m benchmarks [the same]                                # in one with benchmarks/requirements.txt

Every engine is in a process of its own, measured on one core and one thread. A run writes results.json, the
tables of docs/benchmarks.md and the plots; one of some stages or engines, or a --quick one, nothing.
"""

from __future__ import annotations

import os

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "RAYON")


def one_thread() -> list[int]:
    """One core and one thread, for this process and all that it starts; before numpy is there.

    Gives the cores that there are, of which this one is the last; none where cores cannot be chosen.
    """
    for name in _THREADS:
        os.environ[f"{name}_NUM_THREADS"] = "1"
    os.environ["TOKIO_WORKER_THREADS"] = os.environ["LANCE_CPU_THREADS"] = "1"
    os.environ["ANONYMIZED_TELEMETRY"] = "False"
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        return []
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    return cores


if __name__ == "__main__":
    cores = one_thread()
    from .suite import main

    main(cores)
