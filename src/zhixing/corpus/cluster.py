"""The map side of the pipeline on a Ray cluster: the same stages, on Ray Data, with the rows in the same order.

Each source is read where it is worked on, so all nodes have to see the same files; what settings name beside them (evaluation data, say) is
read here and sent along. What a node was working on when it died is done again
by another.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.pipeline import CorpusSettings, Processor, batches
from zhixing.corpus.readers import Source
from zhixing.corpus.resources import Resources
from zhixing.corpus.rows import table
from zhixing.corpus.segments import Cursor
from zhixing.errors import MissingPackage, SettingError

if TYPE_CHECKING:
    import pyarrow as pa


def mapped_on_ray(
    sources: Sequence[Source], settings: CorpusSettings, resources: Resources, cursor: Cursor, address: str
) -> Iterator[pa.Table]:
    """Tables of processed rows from the cursor on, in order. Raises `SettingError` when there is no cluster at the address."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingPackage("ray", "ray", "working on a cluster") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingError("ray", f"finds no Ray cluster at {address} ({str(error).splitlines()[0]:.80})") from None
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    numbers = [{"file": number} for number in range(cursor.file, len(sources))]
    if not numbers:
        return
    everywhere = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(ray.cluster_resources().get("CPU", 1))))
    done = (
        ray.data.from_items(numbers, override_num_blocks=len(numbers))
        .map_batches(partial(_read, sources=sources, settings=settings, cursor=cursor), batch_size=1, batch_format="pyarrow")
        .map_batches(Processor, fn_constructor_args=(settings, resources), batch_size=None, batch_format="pyarrow", compute=everywhere)
    )
    yield from (rows for rows in done.iter_batches(batch_size=None, batch_format="pyarrow") if rows.num_rows)


def _read(numbers: pa.Table, sources: Sequence[Source], settings: CorpusSettings, cursor: Cursor) -> Iterator[pa.Table]:
    """The rows of one source, behind the cursor."""
    from zhixing.corpus.gather import file_items

    def characters(entry: tuple[int, Document | Dropped]) -> int:
        return len(entry[1].text)

    for number in numbers["file"].to_pylist():
        found = islice(file_items(sources[number], settings), cursor.rows if number == cursor.file else 0, None)
        for batch in batches(((number, item) for item in found), characters):
            yield table(batch)
