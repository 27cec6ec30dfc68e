"""Frozen dataclasses that are stored and sent as JSON.

A field may have another name in JSON than in code: `device: Annotated[str, stored_as("machine")]`.
So a field can be renamed while everything stored before stays readable.
"""

from functools import cache
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError


def stored_as(name: str) -> Any:
    """Return the annotation of a field whose name in JSON is `name`."""
    return Field(alias=name)


@cache
def adapter_of(record: Any) -> TypeAdapter:
    """Return the (de)serializer of a record class or of a union of them."""
    return TypeAdapter(record)


class JsonRecord:
    """Base class of dataclasses that are stored as JSON.

    Constructing one validates nothing. Reading from JSON checks the types, accepts both names of
    a renamed field, and ignores the fields of newer versions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="ignore", serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )

    def as_json(self) -> dict[str, Any]:
        return adapter_of(type(self)).dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the record that `as_json` turned into `data`. Raises
        `pydantic.ValidationError`."""
        return adapter_of(cls).validate_python(data)


def describe_error(error: ValidationError) -> str:
    """Return what is wrong in one sentence: our own message if there is one, else the field."""
    first = error.errors()[0]
    if cause := first.get("ctx", {}).get("error"):
        return str(cause)
    place = ".".join(str(part) for part in first["loc"])
    return f"{place} is {first['input']!r}. {first['msg']}."
