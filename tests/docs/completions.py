"""Completion scripts for bash, zsh and fish, made of the command tree. They never start the program."""

from __future__ import annotations

from tests.docs.tree import ROOT, Command, Flag, commands

HEAD = "# Generated from the options of the program; `python -m pytest tests/docs --update-docs` writes it.\n"


# --- bash -----------------------------------------------------------------------------------------------------

BASH = r"""
_llmcli_words() {
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]]; then compopt -o nospace 2>/dev/null; fi
}

_llmcli_paths() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

_llmcli_text() {
    local IFS=$'\n'
    COMPREPLY=()
    if [[ $1 == @ && $cur == @* ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -P @ -f -- "${cur#@}"))
    fi
}

_llmcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= word
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            %(names)s) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case $command in
%(cases)s
        *)
            if [[ $cur == -* ]]; then _llmcli_words '%(root)s'; else _llmcli_words '%(commands)s'; fi
            ;;
    esac
}

complete -F _llmcli llmcli
"""


def bash() -> str:
    names = [command.name for command in commands()]
    return HEAD + BASH % {
        "names": " | ".join(names),
        "cases": "\n".join(_bash_case(command) for command in commands()),
        "root": " ".join(name for flag in ROOT for name in flag.names),
        "commands": " ".join(names),
    }


def _bash_case(command: Command) -> str:
    values: dict[str, list[str]] = {}
    for flag in command.flags:
        if flag.kind != "flag":
            values.setdefault(_bash_action(flag), []).extend(flag.names)
    lines = [f"                {' | '.join(names)}) {action} ;;" for action, names in values.items()]
    options = " ".join(name for flag in command.flags for name in flag.names)
    rest = " else _llmcli_paths -f;" if command.takes_files else ""
    rest = f" else _llmcli_words '{' '.join(command.words)}';" if command.words else rest
    lines.append(f"                *) if [[ $cur == -* ]]; then _llmcli_words '{options}';{rest} fi ;;")
    return "\n".join(
        [
            f"        {command.name})",
            "            case $prev in",
            *lines,
            "            esac",
            "            ;;",
        ]
    )


def _bash_action(flag: Flag) -> str:
    if flag.choices:
        return f"_llmcli_words '{' '.join(flag.choices)}'"
    if flag.kind == "file":
        return "_llmcli_paths -f"
    if flag.kind == "directory":
        return "_llmcli_paths -d"
    return "_llmcli_text @" if flag.at_file else "_llmcli_text"


# --- zsh ------------------------------------------------------------------------------------------------------

ZSH = """
_llmcli_text() {
    if compset -P @; then _files; else _message "$1"; fi
}

_llmcli() {
    local context state state_descr line curcontext=$curcontext
    local -A opt_args
    _arguments -C \\
%(root)s
        '1:command:((%(commands)s))' \\
        '*:: :->options' && return
    case $words[1] in
%(cases)s
    esac
}

if [[ $funcstack[1] == _llmcli ]]; then _llmcli "$@"; else compdef _llmcli llmcli; fi
"""


def zsh() -> str:
    described = " ".join(f'{command.name}\\:"{_zsh(command.summary)}"' for command in commands())
    return (
        "#compdef llmcli\n"
        + HEAD
        + ZSH
        % {
            "root": "\n".join(f"        {_zsh_spec(flag, alone=True)} \\" for flag in ROOT),
            "commands": described,
            "cases": "\n".join(_zsh_case(command) for command in commands()),
        }
    )


def _zsh_case(command: Command) -> str:
    specs = [_zsh_spec(flag) for flag in command.flags]
    specs.append(_zsh_argument(command))
    body = " \\\n                ".join(specs)
    return f"        {command.name})\n            _arguments -s -S \\\n                {body}\n            ;;"


def _zsh_argument(command: Command) -> str:
    if command.words:
        return f"'1:topic:({' '.join(command.words)})'"
    return "'*:input:_files'" if command.takes_files else "'*: : _message prompt'"


def _zsh_spec(flag: Flag, *, alone: bool = False) -> str:
    value = "" if flag.kind == "flag" else f":{_zsh(flag.metavar)}:{_zsh_action(flag)}"
    names = [f"{name}=" if value and name.startswith("--") else name for name in flag.names]
    names = [f"{name}+" if value and not name.startswith("--") else name for name in names]
    spelled = "{" + ",".join(names) + "}" if len(names) > 1 else names[0]
    if flag.repeatable:
        before = "'*'"
    elif alone:
        before = "'(- *)'"
    else:
        before = f"'({' '.join(flag.names)})'"
    return f"{before}{spelled}'[{_zsh(flag.help)}]{value}'"


def _zsh_action(flag: Flag) -> str:
    if any(choice.endswith("/") for choice in flag.choices):
        return f'compadd -S "" -- {" ".join(flag.choices)}'
    if flag.choices:
        return f"({' '.join(flag.choices)})"
    if flag.kind == "file":
        return "_files"
    if flag.kind == "directory":
        return "_files -/"
    return f"_llmcli_text {flag.metavar.split('|')[0]}" if flag.at_file else " "


def _zsh(text: str) -> str:
    for special in "[]:":
        text = text.replace(special, f"\\{special}")
    return text.replace("'", "'\\''")


# --- fish -----------------------------------------------------------------------------------------------------

FISH = r"""
function __llmcli_at_file
    __fish_complete_path (string replace -r '^@' '' -- (commandline -ct)) | string replace -r '^' @
end
"""


def fish() -> str:
    lines = ["", "complete -c llmcli -f"]
    lines += [_fish_flag(flag, "__fish_use_subcommand") for flag in ROOT]
    for command in commands():
        lines.append(
            f"complete -c llmcli -n __fish_use_subcommand -a {command.name} -d {_fish(command.summary)}"
        )
    for command in commands():
        seen = f"__fish_seen_subcommand_from {command.name}"
        lines.append("")
        lines += [_fish_flag(flag, seen) for flag in command.flags]
        if command.takes_files:
            lines.append(f"complete -c llmcli -n {_fish(seen)} -F")
        if command.words:
            lines.append(f"complete -c llmcli -n {_fish(seen)} -a {_fish(' '.join(command.words))}")
    return HEAD + FISH + "\n".join(lines) + "\n"


def _fish_flag(flag: Flag, condition: str) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    about = f"-n {_fish(condition)}", *names, _fish_value(flag), "-d", _fish(flag.help)
    return "complete -c llmcli " + " ".join(part for part in about if part)


def _fish_value(flag: Flag) -> str:
    if flag.kind == "flag":
        return ""
    if flag.choices:
        return f"-x -a {_fish(' '.join(flag.choices))}"
    if flag.kind == "directory":
        return "-x -a '(__fish_complete_directories)'"
    if flag.at_file:
        return "-x -a '(__llmcli_at_file)'"
    return "-r -F" if flag.kind == "file" else "-x"


def _fish(text: str) -> str:
    if text.replace("_", "").isalnum():
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS = {"llmcli.bash": bash, "_llmcli": zsh, "llmcli.fish": fish}
