from zhixing.corpus.dedup import ExactDuplicates
from zhixing.corpus.document import Document


def test_the_first_of_equal_texts_is_kept_across_batches() -> None:
    stage = ExactDuplicates()
    assert stage([Document("a", "one", 1), Document("b", "one", 2), Document("a", "one", 3)])[1][0].line == 3
    kept, dropped = stage([Document("b", "two"), Document("c", "two")])
    assert [d.text for d in kept] == ["c"]
    assert [(d.source, d.text) for d in dropped] == [("two", "b")]
