"""Films whose small motion is made large."""

from mimamo.magnify.film import MagnifiedFilm, MagnifySettings, magnify_film

__all__ = ["MagnifiedFilm", "MagnifySettings", "magnify_film"]
