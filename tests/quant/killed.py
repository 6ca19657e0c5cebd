"""A process that does a job, to be killed at any moment. Arguments: jobs, id, matrix."""

from __future__ import annotations

import sys
from pathlib import Path

from edgellm_quant.job import run_job

from edgellm.jobs.store import JobStore
from tests.quant.standin import IDLE, tools


def main(root: str, job_id: str, imatrix: str) -> None:
    store = JobStore(Path(root))
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    run_job(store, store.find(job_id), IDLE, tools=tools(imatrix=Path(imatrix)))
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
