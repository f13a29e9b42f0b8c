from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny import tokenizer

from zhixing.decode.stream import TextStream

TEXT = st.text(alphabet="abc\n 知行合一🙂é", max_size=30)


def stream(text, stop, prompt=""):
    tokens = tokenizer().encode(prompt + text)
    begin = len(tokenizer().encode(prompt)) if prompt else 0
    out = TextStream(tokenizer(), tokens[:begin], stop)
    pieces = [out.push(token) for token in tokens[begin:]]
    return [*pieces, out.flush()], out.stopped


@settings(deadline=None, max_examples=200)
@given(TEXT, st.lists(st.text(alphabet="abc\n 知行🙂", min_size=1, max_size=4), max_size=3))
@example("ab知行合一c", ["行合"])
@example("aab", ["aab"])
@example("aaab", ["aab", "b"])
def test_shows_the_text_up_to_the_first_stop_string_and_never_takes_back(text, stop):
    pieces, stopped = stream(text, stop)
    shown = ""
    for piece in pieces:
        shown += piece
        assert text.startswith(shown)  # whole characters only, and no replacement character
        assert not any(s in shown for s in stop)
    places = [text.find(s) for s in stop if s in text]
    assert stopped == bool(places)
    assert text.startswith(shown)
    if not places:
        assert shown == text
    else:  # stop strings that overlap: the one that is complete first decides
        complete = min(text.find(s) + len(s) for s in stop if s in text)
        assert len(shown) <= complete


def test_a_single_stop_string_cuts_exactly_before_it():
    assert "".join(stream("Hello\n\nUser: no", ["\n\nUser"])[0]) == "Hello"
    assert "".join(stream("Hello\n\nUse", ["\n\nUser"])[0]) == "Hello\n\nUse"


def test_half_a_character_is_left_out():
    tokens = tokenizer().encode("🙂")
    for ids, text in (([*tokenizer().encode("行"), *tokens[:-1]], "行"), ([*tokens[:-1], *tokenizer().encode("行")], "行")):
        out = TextStream(tokenizer())
        assert "".join(out.push(token) for token in ids) + out.flush() == text
