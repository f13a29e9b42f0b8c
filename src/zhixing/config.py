"""Settings: frozen pydantic models that live beside the part they configure, resolved in one fixed order.

    defaults  <  derived values (the plan's)  <  TOML file  <  dotted.key=value words

1. `gather` reads the file and the words into one flat mapping `dotted name -> value`: what the user has set by hand.
2. `resolve` lays it over the derived values and validates; an unknown name fails with a suggestion, a bad value with its name.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict

from zhixing.errors import InputError, SettingError, UserError
from zhixing.files import read_text


class Settings(BaseModel):
    """Base of all settings: immutable, unknown names refused, field docstrings are the manual."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=())


Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""Several names, or a single one without brackets: `filter.language.keep=zh`."""


class Result(BaseModel):
    """Base of what a verb returns: `--json` prints it, `lines` is what people read."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), ser_json_inf_nan="null")

    def lines(self) -> Iterator[str]:
        """The result in a few lines for the terminal."""
        for name, value in self:
            yield f"{name.replace('_', ' ')}: {value}"


S = TypeVar("S", bound=Settings)


@overload
def several(given: str | Path | Iterable[str | Path]) -> list[str]: ...
@overload
def several(given: str | Path | Iterable[str | Path] | None) -> list[str] | None: ...
def several(given: str | Path | Iterable[str | Path] | None) -> list[str] | None:
    """Names or texts of which there may be several, and which may come alone."""
    if given is None:
        return None
    return [str(one) for one in ([given] if isinstance(given, str | Path) else given)]


def gather(config: Path | None, words: Mapping[str, Any] | Sequence[str] | None) -> dict[str, Any]:
    """What the user has set by hand, as `{dotted name: value}`; words win over the file.

    `words` are `dotted.key=value` strings (values in TOML notation, bare text is a string) or a mapping of dotted names.
    """
    chosen: dict[str, Any] = {}
    if config is not None:
        try:
            chosen.update(flatten(tomllib.loads(read_text(Path(config)))))
        except (ValueError, RecursionError) as error:
            raise InputError(config, f"is not valid TOML ({error})") from None
    if isinstance(words, Mapping):
        chosen.update(flatten(words))
    else:
        for word in words or ():
            name, equals, value = word.partition("=")
            if not equals or not name.strip():
                raise UserError(f"unexpected word {word!r}; settings are written dotted.key=value")
            chosen[name.strip()] = parse_value(value)
    return chosen


def parse_value(text: str) -> Any:
    """A value typed on the command line: TOML notation where it is one (`3`, `1e-3`, `true`, `[1, 2]`), else the bare string."""
    try:
        match tomllib.loads(f"value = {text}"):
            case {"value": value, **others} if not others:
                return value
    except (ValueError, RecursionError):
        pass
    return text


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted names with their values."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def resolve(kind: type[S], chosen: Mapping[str, Any], derived: Mapping[str, Any] | None = None) -> S:
    """Validated settings of type `kind` from dotted names; `chosen` (the user's) wins over `derived` (the plan's)."""
    tree: dict[str, Any] = {}
    for name, value in {**(derived or {}), **chosen}.items():
        *path, last = name.split(".")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise SettingError(name, f"{step} is a single value, not a group of settings")
        if isinstance(node.get(last), dict):
            raise SettingError(name, f"is a group of settings; set one of them, as in {name}.{next(iter(node[last]))}=...")
        node[last] = value
    for name, usual in _usual_kinds(kind):
        if isinstance(tree.get(name), dict):
            tree[name] = {"kind": usual, **tree[name]}
    try:
        return kind.model_validate(tree)
    except pydantic.ValidationError as error:
        raise _explain(kind, error) from None


def _usual_kinds(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Which member of a union is meant where `kind` is not given: the default's."""
    for name, field in kind.model_fields.items():
        if len(list(_members(field.annotation))) > 1:
            yield name, field.get_default(call_default_factory=True).kind


def _explain(kind: type[BaseModel], error: pydantic.ValidationError) -> UserError:
    """The first complaint of pydantic, as one line with the dotted name and, for unknown names, the nearest known one."""
    known = sorted(set(setting_names(kind)))
    unknown = [e for e in error.errors() if e["type"] == "extra_forbidden"]
    first = unknown[0] if unknown else error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if not _is_tag(part, kind))
    inside = first["input"]
    while unknown and isinstance(inside, dict) and inside:  # a group that there is not: name what the user has typed
        key, inside = next(iter(inside.items()))
        name = f"{name}.{key}"
    if unknown and name in known:
        return SettingError(name, f"is no setting of {name.rpartition('.')[0]}.kind = {first['loc'][-2]}, but of another")
    if unknown:
        last = name.rpartition(".")[2]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.rpartition(".")[2] == last][:1]
        near = near or [k for k in known if difflib.SequenceMatcher(None, last, k.rpartition(".")[2]).ratio() >= 0.75][:1]
        groups = sorted({k.partition(".")[0] for k in known})
        return SettingError(
            name, f"unknown setting; did you mean {near[0]}?" if near else f"unknown setting; groups are {', '.join(groups)}"
        )
    if first["type"] == "union_tag_invalid":
        return SettingError(f"{name}.kind", f"is one of {first['ctx']['expected_tags']}, not {first['ctx']['tag']!r}")
    message = str(first["msg"]).removeprefix("Value error, ")
    value = "" if first["type"] in ("missing", "value_error") else f", not {first['input']!r:.60}"
    return SettingError(name, f"{message[:1].lower()}{message[1:]}{value}") if name else UserError(f"settings: {message}")


def _is_tag(part: Any, kind: type[BaseModel]) -> bool:
    """Whether a part of pydantic's error path is the tag of a discriminated union, not a name that the user typed."""
    return isinstance(part, str) and part in set(_tags(kind))


def _members(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for inner in typing.get_args(annotation):
            yield from _members(inner)


def _tags(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if name == "kind" and isinstance(field.default, str):
            yield field.default
        for member in _members(field.annotation):
            yield from _tags(member)


def setting_names(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted names that a settings type knows."""
    for name, field in kind.model_fields.items():
        members = list(_members(field.annotation))
        for member in members:
            yield from setting_names(member, f"{prefix}{name}.")
        if not members:
            yield f"{prefix}{name}"


def manual(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All settings of a type with their defaults and meanings, as `--settings` shows them."""
    for name, field in kind.model_fields.items():
        members = list(_members(field.annotation))
        for member in members:
            which = f" (kind = {tag})" if len(members) > 1 and (tag := member.model_fields["kind"].default) else ""
            yield f"\n{prefix}{name}{which}: {(member.__doc__ or '').partition(chr(10))[0]}"
            yield from manual(member, f"{prefix}{name}.")
        if not members:
            yield f"  {prefix}{name} = {_toml(field.default)}"
            if field.description:
                yield f"      {' '.join(field.description.split())}"


def _toml(value: Any) -> str:
    """A default as it could be typed; strings bare but in lists."""
    if value is None:
        return "(not set)"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | tuple | list) else str(value)
