"""Names of formats, such as ``memgate-log/2``: the sentence about a file of another format or of a newer version."""


def is_newer(schema: object, known: str) -> bool:
    """Whether ``schema`` names a later version of the same format as ``known``.

    Example:
        >>> is_newer("memgate-log/12", "memgate-log/2"), is_newer("memgate-log/1", "memgate-log/2")
        (True, False)
    """
    if not isinstance(schema, str):
        return False
    name, _, version = schema.partition("/")
    known_name, _, known_version = known.partition("/")
    return name == known_name and version.isdecimal() and int(version) > int(known_version)


def other_format(what: object, schema: object, known: str, otherwise: str) -> str:
    """The sentence that refuses a file whose format is not ``known``.

    Args:
        what: the file.
        schema: the format that the file names; anything else where it names none.
        known: the format that this version reads.
        otherwise: the end of the sentence where the format is not one of a newer version.
    """
    if is_newer(schema, known):
        return (
            f"{what} has the format {schema}, which a newer version of memgate wrote (this one reads {known}): "
            "update memgate."
        )
    return f"{what} has the format {schema!r} and not {known!r}: {otherwise}"
