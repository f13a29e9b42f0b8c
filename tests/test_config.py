from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from zhixing.config import Result, Settings, gather, manual, parse_value, resolve, setting_names, several
from zhixing.errors import InputError, SettingError, UserError


class Square(Settings):
    """Four equal sides."""

    kind: Literal["square"] = "square"
    side: float = Field(1.0, gt=0)
    """Length of a side."""


class Circle(Settings):
    """Round."""

    kind: Literal["circle"] = "circle"
    radius: float = 1.0


class Paint(Settings):
    """What covers it."""

    colour: Literal["red", "blue"] = "red"
    coats: int | None = Field(None, ge=1)
    """Layers."""


class Picture(Settings):
    shape: Annotated[Square | Circle, Field(discriminator="kind")] = Square()
    paint: Paint = Paint()
    size: int = 3
    framed: bool = False

    @model_validator(mode="after")
    def _agree(self):
        if self.framed and self.size > 10:
            raise ValueError("framed = true and size > 10 do not go together")
        return self


def test_the_users_words_win_over_the_file_and_both_over_what_is_derived(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text('size = 4\n[paint]\ncolour = "blue"\ncoats = 2\n', encoding="utf-8")
    chosen = gather(file, ["paint.coats=5", "shape.kind=circle"])
    assert chosen == {"size": 4, "paint.colour": "blue", "paint.coats": 5, "shape.kind": "circle"}
    picture = resolve(Picture, chosen, {"size": 9, "shape.radius": 2.5})
    assert picture == Picture(size=4, paint=Paint(colour="blue", coats=5), shape=Circle(radius=2.5))
    assert gather(None, {"paint": {"coats": 2}, "size": 1}) == {"paint.coats": 2, "size": 1}
    assert gather(None, None) == {}
    assert resolve(Picture, picture.model_dump()) == picture


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"3"', "3"),
        ("GB18030", "GB18030"),
        ("", ""),
        ("a=b", "a=b"),
        ("知行", "知行"),
    ],
)
def test_values_are_toml_or_bare_text(text, value):
    assert parse_value(text) == value


def test_a_value_cannot_smuggle_in_another_setting():
    assert gather(None, ["size=3\nframed = true"]) == {"size": "3\nframed = true"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["paint.color=red"], "setting paint.color: unknown setting; did you mean paint.colour?"),
        (["colour=red"], "setting colour: unknown setting; did you mean paint.colour?"),
        (["Size=3"], "setting Size: unknown setting; did you mean size?"),
        (["zzz.yyy=1"], "setting zzz.yyy: unknown setting; groups are"),
        (["size=big"], "setting size: input should be a valid integer"),
        (["size=1.5"], "setting size: input should be a valid integer"),
        (["size="], "setting size: input should be a valid integer"),
        (["size=[1]"], "setting size: input should be a valid integer"),
        (["framed=perhaps"], "setting framed: input should be a valid boolean"),
        (["paint.coats=0"], "setting paint.coats: input should be greater than or equal to 1, not 0"),
        (["paint.colour=green"], "setting paint.colour: input should be 'red' or 'blue', not 'green'"),
        (["shape.side=nan"], "setting shape.side: "),
        (["shape.side=-1"], "setting shape.side: input should be greater than 0"),
        (["shape.kind=triangle"], "setting shape.kind: "),
        (["shape.radius=2"], "setting shape.radius: is no setting of shape.kind = square, but of another"),
        (["paint=red"], "setting paint: "),
        (["size.x=1"], "setting size"),
        (["size=1", "size.x=1"], "setting size.x: size is a single value"),
        (["size.x=1", "size=1"], "setting size: is a group of settings"),
        (["framed=true", "size=11"], "framed = true and size > 10 do not go together"),
        (["paint..coats=1"], "setting paint"),
        ([".size=1"], "setting "),
    ],
)
def test_a_mistake_names_the_setting(words, says):
    with pytest.raises(UserError) as caught:
        resolve(Picture, gather(None, words))
    assert str(caught.value).startswith(says) or says in str(caught.value)
    assert "square." not in str(caught.value)


@pytest.mark.parametrize("word", ["size", "=3", "size:3"])
def test_a_word_that_is_no_setting(word):
    with pytest.raises(UserError, match="dotted\\.key=value"):
        gather(None, [word])


@pytest.mark.parametrize(
    ("content", "says"), [(b"size = ", "is not valid TOML"), (b"a = 1\na = 2", "is not valid TOML"), (b"\xff", "is not UTF-8 text")]
)
def test_a_file_that_is_no_toml(tmp_path, content, says):
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(InputError, match=says):
        gather(tmp_path / "x.toml", None)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            gather(path, None)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Picture().size = 4
    with pytest.raises(SettingError, match="unknown"):
        resolve(Picture, {"siez": 3})


def test_the_manual_has_every_setting_with_default_and_meaning():
    assert sorted(set(setting_names(Picture))) == [
        "framed", "paint.coats", "paint.colour", "shape.kind", "shape.radius", "shape.side", "size",
    ]  # fmt: skip
    text = "\n".join(manual(Picture))
    assert "shape (kind = square): Four equal sides." in text
    assert "  shape.side = 1.0\n      Length of a side." in text
    assert "  paint.coats = (not set)\n      Layers." in text
    assert "  framed = false" in text


def test_defaults_in_the_manual_can_be_typed_as_they_stand():
    class Several(Settings):
        kinds: tuple[str, ...] = ("one", "二")

    (line,) = manual(Several)
    name, _, shown = line.strip().partition(" = ")
    assert resolve(Several, {name: parse_value(shown)}) == Several()


def test_a_result_reads_as_lines():
    class Answer(Result):
        best_step: int
        loss: float

    answer = Answer(best_step=3, loss=float("nan"))
    assert list(answer.lines()) == ["best step: 3", "loss: nan"]
    assert answer.model_dump_json() == '{"best_step":3,"loss":null}'


def test_a_single_name_needs_no_brackets() -> None:
    from zhixing.corpus.pipeline import CorpusSettings

    for value in ("zh", ["zh"], ("zh",)):
        assert resolve(CorpusSettings, {"filter.language.keep": value}).filter.language.keep == ("zh",)
    with pytest.raises(SettingError, match=r"setting filter.language.keep: "):
        resolve(CorpusSettings, {"filter.language.keep": 3})


def test_names_may_come_alone(tmp_path) -> None:
    assert several("a") == several(["a"]) == several(iter(["a"])) == ["a"]
    assert several(tmp_path) == [str(tmp_path)] and several(("a", tmp_path)) == ["a", str(tmp_path)]
    assert several(None) is None and several([]) == []
