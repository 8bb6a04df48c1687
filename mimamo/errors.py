"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """A file or an argument cannot be used.

    The message is one line that names the file or argument, what was expected and what came.
    The command line prints it without a traceback; libraries may catch it as a ``ValueError``.
    """


class NothingFoundError(InputError):
    """What was searched holds nothing of what was looked for; there is nothing to do."""
