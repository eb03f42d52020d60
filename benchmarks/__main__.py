"""rushmodel against its peers: one run, one table, plots.

    benchmarks/run [--quick] [--engines rushmodel,LanceDB,...]   # makes its own environment
    python -m benchmarks [the same]                              # in one with benchmarks/requirements.txt

Every engine is in a process of its own, on one core and one thread. Writes benchmarks/results.json and the
plots of docs/; with --quick, which is a small run to see that all works, nothing.
"""

from __future__ import annotations

import os

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "RAYON")


def one_thread() -> None:
    """One core and one thread, for this process and all that it starts; before numpy is there."""
    for name in _THREADS:
        os.environ[f"{name}_NUM_THREADS"] = "1"
    os.environ["TOKIO_WORKER_THREADS"] = os.environ["LANCE_CPU_THREADS"] = "1"
    os.environ["ANONYMIZED_TELEMETRY"] = "False"
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    one_thread()
    from .suite import main

    main()
