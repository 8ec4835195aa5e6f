"""Completion scripts for bash, zsh and fish, made of the command tree. They never start the program."""

from __future__ import annotations

from tests.docs.tree import ROOT, Command, Flag, commands, models

HEAD = "# Generated from the options of the program; `python -m pytest tests/docs --update-docs` writes it.\n"


# --- bash -----------------------------------------------------------------------------------------------------

BASH = r"""
_llmcli_words() {
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]]; then compopt -o nospace 2>/dev/null || true; fi
}

_llmcli_list() {
    local IFS=$' \t\n' before=
    if [[ $cur == *,* ]]; then before=${cur%%,*},; fi
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${cur##*,}"))
}

_llmcli_models() {
    local named
    case $cur in
%(models)s
        offline/*) named='offline/echo offline/flaky' ;;
        */*) named= ;;
        *) named='%(top)s' ;;
    esac
    _llmcli_words "$named"
}

_llmcli_sessions() {
    local IFS=$'\n' kept=${LLMCLI_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/llmcli}/sessions path
    _llmcli_paths -f
    for path in "$kept/$cur"*.jsonl; do
        if [[ -e $path ]]; then path=${path##*/}; COMPREPLY+=("${path%%.jsonl}"); fi
    done
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
    if [[ $prev == @ ]]; then  # bash breaks a word behind it, and replaces both parts
        cur=@$cur prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == = ]]; then
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
        "top": " ".join(models()[""]),
        "models": "\n".join(
            f"        {name}/*) named='{' '.join(names)}' ;;" for name, names in models().items() if name
        ),
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
    rest = " else _llmcli_models;" if command.takes_models else rest
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
    if flag.kind in {"model", "session"}:
        return f"_llmcli_{flag.kind}s"
    if flag.kind == "list":
        return f"_llmcli_list '{' '.join(flag.choices)}'"
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

_llmcli_list() {
    compset -P '*,'
    compadd -S '' -- $@
}

_llmcli_models() {
    case $PREFIX in
%(models)s
        offline/*) compadd -- offline/echo offline/flaky ;;
        */*) ;;
        *) compadd -S '' -- %(top)s ;;
    esac
}

_llmcli_sessions() {
    local kept=${LLMCLI_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/llmcli}/sessions
    compadd -- $kept/*.jsonl(N:t:r)
    _files
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
            "top": " ".join(models()[""]),
            "models": "\n".join(
                f"        {name}/*) compadd -- {' '.join(names)} ;;"
                for name, names in models().items()
                if name
            ),
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
    if command.takes_models:
        return "'1:model:_llmcli_models'"
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
    if flag.kind in {"model", "session"}:
        return f"_llmcli_{flag.kind}s"
    if flag.kind == "list":
        return f"_llmcli_list {' '.join(flag.choices)}"
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
function __llmcli_list
    set -l before (string match -r '.*,' -- (commandline -ct))
    test -n "$before"; or set before ''
    printf '%%s\n' $before$argv
end

function __llmcli_models
    switch (commandline -ct | string replace -r '^--?[a-z]+=' '')
%(models)s
        case 'offline/*'
            printf '%%s\n' offline/echo offline/flaky
        case '*/*'
        case '*'
            printf '%%s\n' %(top)s
    end
end

function __llmcli_sessions
    set -l state $XDG_STATE_HOME
    test -n "$state"; or set state $HOME/.local/state
    set -l kept $LLMCLI_STATE
    test -n "$kept"; or set kept $state/llmcli
    set -l paths $kept/sessions/*.jsonl
    for path in $paths
        string replace -r '.*/(.*)\.jsonl$' '$1' -- $path
    end
end
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
        if command.takes_models:
            lines.append(f"complete -c llmcli -n {_fish(seen)} -a '(__llmcli_models)'")
    named = {name: names for name, names in models().items() if name}
    cases = [
        f"        case '{name}/*'\n            printf '%s\\n' {' '.join(names)}"
        for name, names in named.items()
    ]
    return HEAD + FISH % {"models": "\n".join(cases), "top": " ".join(models()[""])} + "\n".join(lines) + "\n"


def _fish_flag(flag: Flag, condition: str) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    about = f"-n {_fish(condition)}", *names, _fish_value(flag), "-d", _fish(flag.help)
    return "complete -c llmcli " + " ".join(part for part in about if part)


def _fish_value(flag: Flag) -> str:
    words = " ".join(flag.choices)
    ways = {
        "flag": "",
        "model": "-x -a '(__llmcli_models)'",
        "session": "-r -F -a '(__llmcli_sessions)'",
        "list": f"-x -a '(__llmcli_list {words})'",
        "choice": f"-x -a {_fish(words)}",
        "directory": "-x -a '(__fish_complete_directories)'",
        "file": "-r -F",
        "text": "-x -a '(__llmcli_at_file)'" if flag.at_file else "-x",
    }
    return ways[flag.kind]


def _fish(text: str) -> str:
    if text.replace("_", "").isalnum():
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS = {"llmcli.bash": bash, "_llmcli": zsh, "llmcli.fish": fish}
