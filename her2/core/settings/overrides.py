"""What was typed after `her2 COMMAND`, checked by name and written as Hydra's grammar has it.

A value is taken as the shell hands it over: a text may hold spaces, brackets, umlauts and Chinese
signs without quotes of its own, because the setting's type is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from her2.core.masking import hidden
from her2.core.places import config_folder, packaged_path
from her2.core.settings.base import Key, did_you_mean, keys_of, unknown_key
from her2.core.settings.hydra_words import of_hydra, problem_of
from her2.core.settings.study_settings import COMMANDS

# flags of Hydra, and whether a value follows as a word of its own
FLAGS = {
    "-m": False, "--multirun": False, "--resolve": False, "--run": False, "-r": False,
    "--cfg": True, "-c": True, "--package": True, "-p": True, "--info": False, "-i": False,
    "--shell-completion": False, "-sc": False, "--hydra-help": False,
}  # fmt: skip
MULTIRUN = ("-m", "--multirun")
HELP = ("-h", "--help")
PRESETS = "study"  # the group whose options change several groups
_SWEEP = re.compile(r"(choice|range|interval|tag|int|float|str|bool|sort|shuffle|glob)\(.*", re.S)
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?|true|false|null|[+-]?inf|nan", re.I)


@dataclass(frozen=True)
class Override:
    """One word of a command line.

    Attributes
    ----------
    sign
        ``+``, ``++``, ``~`` or nothing.
    key
        The setting or group that it names.
    value
        The text after ``=``; None where there is no ``=``.
    """

    sign: str
    key: str
    value: str | None

    @classmethod
    def read(cls, word: str) -> Override:
        """Return a word in its parts.

        >>> Override.read("++a.b=1=2")
        Override(sign='++', key='a.b', value='1=2')
        """
        sign = next((x for x in ("++", "+", "~") if word.startswith(x)), "")
        key, equals, value = word[len(sign) :].partition("=")
        return cls(sign, key.strip(), value if equals else None)


@dataclass(frozen=True)
class Typed:
    """A command line as Hydra takes it, and what is wrong with it.

    Attributes
    ----------
    flags
        Words such as ``-m``.
    overrides
        Settings that are right as far as their names go, quoted for Hydra.
    problems
        A sentence for every other word.
    """

    flags: list[str]
    overrides: list[str]
    problems: list[str]

    @property
    def is_multirun(self) -> bool:
        """Whether several jobs are asked for."""
        return bool(set(MULTIRUN) & set(self.flags))


def read_typed(command: str, words: Sequence[str]) -> Typed:
    """Return the words of a command line, sorted into flags, overrides and problems."""
    typed = Typed([], [], [])
    rest, settings = iter(words), []
    for word in rest:
        if not word.startswith("-") or (len(word) > 1 and word[1].isdigit()):
            settings.append(word)
        elif word.partition("=")[0] in FLAGS:
            typed.flags.append(word)
            if FLAGS[word.partition("=")[0]] and "=" not in word:
                value = next(rest, "")
                typed.flags.append(value)
                if not value or value.startswith("-"):
                    typed.problems.append(
                        f"expected a value after {word}, found {value!r}; add it"
                    )
        else:
            typed.problems.append(_unknown_flag(word))
    is_search = any(x.startswith("hydra/sweeper=") for x in settings)
    if is_search and not typed.is_multirun:
        typed.problems.append(
            "expected -m with hydra/sweeper=optuna, found none; add -m to search"
        )
    for word in settings:
        text, problem = _checked(command, Override.read(word), word, typed.is_multirun)
        if problem:
            typed.problems.append(problem)
        else:
            typed.overrides.append(text)
    return typed


def _checked(command: str, given: Override, word: str, is_multirun: bool) -> tuple[str, str]:
    """Return a word as Hydra takes it, and what is wrong with it; one of them is empty."""
    keys, groups = known_keys(command), known_groups(command)
    name = given.key
    if of_hydra(name) and given.value is not None:
        problem = problem_of(given.sign, name, str(given.value))
        kept = word if _reads(str(given.value)) else f"{name}={quoted(str(given.value))}"
        return ("", problem) if problem else (kept, "")
    if given.sign == "~" and _free_key(name, keys):
        return word, ""
    if given.sign == "~" and (name in keys or name in groups):
        return "", f"expected a value for {name}, found {word}, which deletes it; give it another"
    if given.value is None:
        return "", _without_value(command, given)
    if name in groups:
        return _group_word(given, name, groups[name], is_multirun)
    if name == "search" and COMMANDS[command].is_searched:
        files = options_of(packaged_path("sweeps") / "search")
        return _group_word(given, name, files, is_multirun)
    if not given.value.strip():
        return "", f"expected a value for {name}, found none; write {name}=VALUE, or leave it out"
    key = keys.get(name) or _free_key(name, keys)
    if key is None:
        return "", _unknown(command, name)
    if key.name != name and (problem := _bad_grid(key, name)):
        return "", problem
    sign = "++" if key.is_free and not _is_there(key, name) else given.sign.replace("+", "")
    return _value_word(f"{sign}{given.key}", key, given.value, is_multirun)


def _bad_grid(key: Key, name: str) -> str:
    """Return what is wrong with a name below a classifier: it has ``fixed`` and ``grid`` alone."""
    if not key.name.startswith("classifier."):
        return ""
    part = name.removeprefix(f"{key.name}.").partition(".")[0]
    known = [f"{key.name}.fixed", f"{key.name}.grid"]
    return "" if part in ("fixed", "grid") else unknown_key(name, known)


def _is_there(key: Key, name: str) -> bool:
    """Whether a name below a free setting stands in its default; Hydra adds others by ``++``."""
    held = key.default
    for part in name.removeprefix(key.name).strip(".").split("."):
        if part and (not isinstance(held, Mapping) or part not in held):
            return False
        held = held[part] if part else held
    return True


def _value_word(left: str, key: Key, value: str, is_multirun: bool) -> tuple[str, str]:
    if is_multirun and _SWEEP.fullmatch(value.strip()):
        return _sweep_word(left, key.name, value)
    if key.name == "tracking.uri":
        value = hidden(value.strip())
    if key.element is not None and not is_multirun and "," in value and not _is_list(value):
        return "", (
            f"expected {key.name} as a list, found {value}; did you mean {key.name}=[{value}]?"
        )
    parts = split_list(value) if is_multirun else [value]
    return f"{left}={','.join(hydra_value(part, key) for part in parts)}", ""


def _sweep_word(left: str, name: str, value: str) -> tuple[str, str]:
    if _reads(value):
        return f"{left}={value}", ""
    return "", (
        f"expected values of {name} to run, such as {name}=a,b or {name}=range(1,4), found "
        f"{value}; check its brackets"
    )


def hydra_value(text: str, key: Key) -> str:
    """Return the text of one value in Hydra's grammar, by the setting's type."""
    text = text.strip()
    if text.lower() == "null" and (key.is_optional or key.is_free):
        return "null"
    if key.element is not None and _is_list(text):
        is_text = key.element not in (int, float)
        return f"[{','.join(_scalar(x, is_text=is_text) for x in split_list(text[1:-1]))}]"
    if key.is_free and not (str in key.types and len(key.types) == 1):
        return text if _reads(text) else quoted(text)
    is_flag = text.lower() in ("true", "false") and bool not in key.types
    return _scalar(text, is_text=key.holds_text or is_flag)


def _scalar(text: str, *, is_text: bool) -> str:
    text = text.strip()
    if not is_text and _NUMBER.fullmatch(text):
        return text
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].replace(f"\\{text[0]}", text[0])
    return quoted(text)


def quoted(text: str) -> str:
    r"""Return a text as Hydra reads it whatever it holds.

    >>> print(quoted("a 'b' (c)"), quoted("plain"))
    'a \'b\' (c)' plain
    """
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and not _NUMBER.fullmatch(text):
        return text
    escaped = re.sub(r"(\\+)(?='|$)", r"\1\1", text).replace("'", "\\'")
    return f"'{escaped}'"


def split_list(text: str) -> list[str]:
    """Return the parts between commas that stand in no bracket and in no quotes.

    >>> split_list("Alter (Jahre, a),PR,'x,y'")
    ['Alter (Jahre, a)', 'PR', "'x,y'"]
    """
    parts, depth, quote, last = [], 0, "", 0
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[i - 1] != "\\" else quote
        elif sign in "'\"" and not text[last:i].strip(" [({"):
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth <= 0:
            parts.append(text[last:i])
            last = i + 1
    return [part for part in (*parts, text[last:]) if part.strip()]


def _is_list(text: str) -> bool:
    return text.strip().startswith("[") and text.strip().endswith("]")


def _reads(text: str) -> bool:
    """Whether Hydra's grammar takes a value as it is."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(f"key={text}")
    except HydraException:
        return False
    return True


def _group_word(
    given: Override, group: str, options: Sequence[str], is_multirun: bool
) -> tuple[str, str]:
    value = str(given.value).strip()
    if is_multirun and _SWEEP.fullmatch(value) and not re.search(r"[/\\]|\.\.", value):
        return _sweep_word(f"{given.sign}{given.key}", group, value)
    chosen = split_list(value.strip("[]")) if is_multirun else [value]
    unknown = [x.strip() for x in chosen if x.strip() not in options]
    if not unknown and chosen:
        sign = given.sign if group == "search" else ""
        return f"{sign}{given.key}={value}", ""
    found = unknown[0] if unknown else "none"
    if not is_multirun and "," in found:
        return "", f"expected one option of {group}, found {found}; add -m to run each of them"
    hint = did_you_mean(found, options)
    return "", f"expected {group} among {', '.join(options)}, found {found}{hint}"


def _without_value(command: str, given: Override) -> str:
    word = f"{given.sign}{given.key}"
    keys, groups = known_keys(command), known_groups(command)
    of = sorted((group for group in groups if word in groups[group]), key=lambda x: x != PRESETS)
    if of:
        return f"expected SETTING=VALUE, found {word}; did you mean {of[0]}={word}?"
    if word in groups:
        return f"expected {word}=OPTION, found {word}; the options are {', '.join(groups[word])}"
    near = did_you_mean(word, [*groups, *keys])
    return f"expected SETTING=VALUE, found {word}{near.replace('?', '=...?') or '; see --help'}"


def _unknown_flag(word: str) -> str:
    name = word.lstrip("-")
    if "=" in name:
        return f"expected SETTING=VALUE, found {word}; did you mean {name}?"
    hint = did_you_mean(word, [*FLAGS, *HELP])
    return f"expected a flag among -m, --cfg job and --help, found {word}{hint}"


def _unknown(command: str, name: str) -> str:
    """Return the sentence for a key that the command does not have."""
    for other in COMMANDS:
        if name in known_keys(other) or name in known_groups(other):
            return (
                f"expected a setting of her2 {command}, found {name}, which is one of her2 "
                f"{other}; leave it out"
            )
    return unknown_key(name, [*known_keys(command), *known_groups(command)])


@cache
def known_keys(command: str) -> Mapping[str, Key]:
    """Return the settings of a command by name."""
    return {key.name: key for key in keys_of(COMMANDS[command].settings)}


def _free_key(name: str, keys: Mapping[str, Key]) -> Key | None:
    """Return the setting below which a name may stand freely, such as a classifier's grid."""
    parts = name.split(".")
    above = (".".join(parts[:n]) for n in range(1, len(parts)))
    return next((keys[x] for x in above if x in keys and keys[x].is_free), None)


@cache
def known_groups(command: str) -> Mapping[str, list[str]]:
    """Return the config groups of a command, each with its options."""
    sections = {name.partition(".")[0] for name in known_keys(command) if "." in name}
    if "cohort" in sections:
        sections.add(PRESETS)
    return {
        folder.name: options_of(folder)
        for folder in sorted(config_folder().iterdir())
        if folder.is_dir() and folder.name in sections
    }


def options_of(folder: Path) -> list[str]:
    """Return the options of a group: the files of its folder."""
    return sorted(x.stem for x in folder.glob("*.yaml") if not x.stem.startswith("_"))
