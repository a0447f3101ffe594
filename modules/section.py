"""What every section of the configuration is made of, and how its errors are told."""

import pydantic


class Section(pydantic.BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def describe_errors(error: pydantic.ValidationError) -> str:
    """Returns one line an error: the key, what was expected of it, and the value it had."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "is not a known key"
        received = "" if "Received:" in message else f" Received: {problem['input']!r}."
        lines.append(f"`{key}`: {message}.{received}" if key else f"{message}{received}")
    return "\n".join(line.replace("..", ".") for line in lines)
