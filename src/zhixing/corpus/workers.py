"""The map side of the pipeline on one core, on all cores, or on a Ray cluster: tables of rows in, tables of rows out, in order.

Workers are started as programs of their own (`python -m zhixing.corpus.workers`) and talk over pipes. Unlike `multiprocessing` this does
not run the user's script again, does not fork a process that has threads, and ends with the parent however that ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zhixing.errors import SettingError, ZhixingError

if TYPE_CHECKING:
    import pyarrow as pa

    from zhixing.corpus.pipeline import CorpusSettings
    from zhixing.corpus.resources import Resources


def usual_workers(size: int) -> int:
    """Processes for so many bytes of text: one for what is done before others have started."""
    return 1 if size < 5_000_000 else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_number(workers: int | None) -> None:
    """Raise `SettingError` for a number of processes that cannot be."""
    if workers is not None and not 1 <= workers <= 1024:
        raise SettingError("workers", f"should be between 1 and 1024, not {workers}")


def mapped(tables: Iterable[pa.Table], settings: CorpusSettings, resources: Resources, workers: int) -> Iterator[pa.Table]:
    """Each table through the stages, in order; with `workers` > 1 several at a time, and a few ahead."""
    if workers == 1:
        from zhixing.corpus.pipeline import Processor

        process = Processor(settings, resources)
        yield from map(process, tables)
        return
    with ExitStack() as stack:
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(_Worker(settings, resources)))
        threads = stack.enter_context(ThreadPoolExecutor(workers))

        def ask(rows: pa.Table) -> pa.Table:
            worker = idle.get()
            try:
                return worker.ask(rows)
            finally:
                idle.put(worker)

        pending: deque[Future[pa.Table]] = deque()
        try:
            for rows in tables:
                pending.append(threads.submit(ask, rows))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


class _Worker:
    """A process that applies the stages."""

    def __init__(self, settings: CorpusSettings, resources: Resources) -> None:
        # A session of its own: Ctrl-C is for the parent, which then closes the pipes.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "zhixing.corpus.workers"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self._to, self._from = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self._send((settings, resources))

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()

    def _send(self, value: Any) -> None:
        pickle.dump(value, self._to, protocol=5)
        self._to.flush()

    def ask(self, rows: pa.Table) -> pa.Table:
        try:
            self._send(rows)
            answer = pickle.load(self._from)
        except (EOFError, OSError):
            why = "a worker process died (out of memory, or killed)"
            raise ZhixingError(f"{why}; the same command goes on from what is done, and fewer --workers take less memory") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _serve() -> None:
    """Answer tables until the parent closes the pipe."""
    from zhixing.corpus.pipeline import Processor

    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    process: Processor | None = None
    while True:
        try:
            value = pickle.load(source)
        except EOFError:
            return
        try:
            if process is None:
                process = Processor(*value)
                continue
            answer: object = process(value)
        except Exception as error:
            answer = error
        pickle.dump(answer, sink, protocol=5)
        sink.flush()


if __name__ == "__main__":
    _serve()
