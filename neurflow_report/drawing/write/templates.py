"""The templates and the files beside them: a user's folder before the package's own, file by file.

The user's folder may be anybody's. Nothing outside it is read, a template in it does what sandbox.py lets it do, and
what is wrong with it is an InputError template-broken that says where.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import jinja2
from jinja2.loaders import split_template_path
from markupsafe import Markup, escape

from neurflow_report.drawing.write.mathml import mathml
from neurflow_report.drawing.write.sandbox import Sandbox
from neurflow_report.errors import InputError, ReportError, Where
from neurflow_report.ordinary import check_ordinary, read_ordinary

LOGOS = ("static/logo.svg", "static/logo.png")
FOLDERS = ("site", "print", "brand", "static")
"""The folders that a directory of templates has files in."""
Read = Callable[[], bytes]

_GIVEN = "docs/templates.md says what a template is given"
_HELD = "docs/templates.md says what a directory of templates holds"


def own_templates() -> Path:
    """The package's templates: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def files_in(folder: str, templates: Path | None) -> dict[str, Read]:
    """The files right in one of `FOLDERS`, by address; one of the user's stands in for the package's of that name.

    Raises: InputError template-broken for what is no file or leads out of the user's folder, also when it is read.
    """
    found: dict[str, Read] = {}
    for path in _listed(own_templates() / folder):
        if path.is_file():
            found[f"{folder}/{path.name}"] = path.read_bytes
    if templates is not None:
        for path in _listed(templates / folder):
            if not path.is_dir():
                _check(path, templates)
                found[f"{folder}/{path.name}"] = partial(_read, path, templates)
    return dict(sorted(found.items()))


def static_files(templates: Path | None) -> dict[str, Read]:
    """Style, scripts, fonts and a logo, by address."""
    return files_in("static", templates)


def file_text(name: str, read: Read, templates: Path | None) -> str:
    """A file of text.

    Raises: InputError template-broken where a user's is not UTF-8.
    """
    data = read()
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _undecodable(name, templates, error) from error


def check_templates(templates: Path | None) -> None:
    """Check the user's directory of templates.

    Raises: InputError template-broken where it is none, and for the first thing in it that is no file, leads out of it,
        or is a template that cannot be compiled.
    """
    if templates is None:
        return
    if not os.path.isdir(templates):
        raise InputError(
            "template-broken",
            f"there is no directory of templates {templates.name!r}",
            hint="report.templates is relative to the spec's folder; docs/templates.md says what it holds",
            path=("report", "templates"),
        )
    environment = template_environment(templates)
    for folder in FOLDERS:
        for path in sorted((templates / folder).rglob("*")):
            if not path.is_dir() or path.is_symlink():
                _check(path, templates)
            if path.suffix == ".html" and not path.is_dir():
                with template_problems(templates):
                    environment.get_template(path.relative_to(templates).as_posix())


@contextmanager
def template_problems(templates: Path | None) -> Iterator[None]:
    """A mistake in a template of the user's becomes an InputError that says where; the package's own stay as they are.

    Raises: InputError template-broken.
    """
    try:
        yield
    except ReportError:
        raise
    except Exception as error:
        place = _template_place(error, templates)
        if place is None:
            raise
        message = f"the template cannot be used: {_told(error)}"
        raise InputError("template-broken", message, hint=_GIVEN, where=place) from error


def template_environment(templates: Path | None) -> jinja2.Environment:
    """Jinja with escaping on and unknown names refused; `templates` is searched before the package's own."""
    logo = next((name for name in LOGOS if name in static_files(templates)), "")
    environment = Sandbox(_Folders(templates), names={"logo": logo})
    environment.filters["formula"] = formula_html
    environment.filters["mathml"] = mathml
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    return environment


def formula_html(text: str) -> Markup:
    """A formula of the method's page, escaped, with "φ_a" as φ and a subscript."""
    return Markup(re.sub(r"_(\w)", r"<sub>\1</sub>", str(escape(text))))  # noqa: S704 escaped just here


class _Folders(jinja2.BaseLoader):
    """A template by its name: the user's of that name, or else the package's."""

    def __init__(self, templates: Path | None) -> None:
        self.templates = templates

    def get_source(
        self,
        environment: jinja2.Environment,  # noqa: ARG002 the signature is Jinja's
        template: str,
    ) -> tuple[str, str, Callable[[], bool] | None]:
        """A template's text, and its path.

        Raises:
            jinja2.TemplateNotFound.
            InputError template-broken for a user's that may not or cannot be read.
        """
        parts = split_template_path(template)
        if self.templates is not None and os.path.lexists(path := self.templates.joinpath(*parts)):
            text = file_text(template, partial(_read, path, self.templates), self.templates)
            return text.removeprefix("\ufeff"), str(path), None
        path = own_templates().joinpath(*parts)
        if not os.path.isfile(path):
            raise jinja2.TemplateNotFound(template)
        return path.read_text(encoding="utf-8"), str(path), None


def _is_users(file: Path, templates: Path) -> bool:
    """Whether a file of a traceback is a template of the user's: this program may lie in that folder, too."""
    own = own_templates()
    ours = file.suffix == ".py" or (file.is_relative_to(own) and not templates.is_relative_to(own))
    return file.is_relative_to(templates) and not ours


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path, templates: Path) -> bytes:
    _check(path, templates)
    try:
        return read_ordinary(path)
    except OSError as error:
        raise _broken(path, templates, f"the file cannot be read: {error.strerror}") from error


def _check(path: Path, templates: Path) -> None:
    """Check that `path` is a file, and lies in the user's folder wherever links lead.

    Raises: InputError template-broken otherwise.
    """
    if not _inside(path, templates):
        raise _broken(path, templates, f"this leads out of the directory of templates {templates.name!r} by a link")
    try:
        if not path.is_dir():
            check_ordinary(path)
    except OSError as error:
        raise _broken(path, templates, f"the file cannot be read: {error.strerror}") from error


def _inside(path: Path, templates: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(templates))


def _broken(path: Path, templates: Path, message: str) -> InputError:
    hint = "put the file itself there: what lies outside is not read" if "by a link" in message else _HELD
    return InputError("template-broken", message, hint=hint, where=_where(path, templates))


def _undecodable(name: str, templates: Path | None, error: UnicodeDecodeError) -> InputError:
    line = error.object.count(b"\n", 0, error.start) + 1
    where = Where(file=name if templates is None else str(Path(templates.name) / name), line=line, column=1)
    message = f"byte {error.start} (in line {line}) is not UTF-8"
    return InputError("template-broken", message, hint="save the file as UTF-8", where=where)


def _where(path: Path, templates: Path, line: int = 0) -> Where:
    return Where(file=str(Path(templates.name) / path.relative_to(templates)), line=line, column=min(line, 1))


def _told(error: Exception) -> str:
    """What is wrong, in words."""
    if isinstance(error, jinja2.TemplateNotFound) and error.name is not None:
        return f"there is no template {error.name!r}"
    if isinstance(error, RecursionError):
        return "it calls itself without end, or is nested too deeply"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, jinja2.TemplateError):
        return error.message or type(error).__name__
    return f"{type(error).__name__}: {error}"


def _template_place(error: Exception, templates: Path | None) -> Where | None:
    """The line of the user's template where it failed."""
    if templates is None:
        return None
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, jinja2.TemplateSyntaxError):
        frames.append((error.filename or "", error.lineno))
    own = [(Path(name), line) for name, line in frames if _is_users(Path(name), templates)]
    if not own:
        return None
    file, line = own[-1]
    return _where(file, templates, line or 1)
