"""One thread for each process of the tests: their matrices are small, and threads that wait for one another cost more than they bring."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
