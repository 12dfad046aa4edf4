"""Completions for bash and zsh of a program, from its described command line (kernel/app/describe/describe.hpp).

Both walk over the words before the cursor to find the command they belong to, then offer its commands, its options and those
of the commands above it (which may stand behind a command's name as well), or values: choices, files, folders."""
import re

FILES = {"FILE", "PATH"}
FOLDERS = {"DIR"}


def commands_of(command, path=None, inherited=()):
    """(path, command, options that may stand there) of a command and all below it."""
    path = path or command["name"]
    options = command["options"] + [o for o in inherited if not set(o["names"]) & {n for own in command["options"] for n in own["names"]}]
    yield path, command, options
    for sub in command["commands"]:
        passed = [] if sub["takes_command"] else [o for o in options if "--version" not in o["names"]]
        yield from commands_of(sub, f"{path} {sub['name']}", passed)


def function_name(program):
    return "_" + re.sub(r"\W", "_", program)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def value_kind(option):
    if option["choices"]:
        return "words"
    return "files" if option["type"] in FILES else "folders" if option["type"] in FOLDERS else "nothing"


def steps(all_commands):
    """case arms: "PATH WORD" -> the path of the command that WORD calls there."""
    for path, command, _ in all_commands:
        for sub in command["commands"]:
            names = " | ".join(quoted(f"{path} {name}") for name in [sub["name"], *sub["aliases"]])
            yield f"{names}) at={quoted(path + ' ' + sub['name'])} ;;"


def with_value(all_commands):
    for path, _, options in all_commands:
        for option in options:
            if not option["flag"]:
                yield path, option


BASH = """# bash completion of {program}; generated from its command line.
{function}() {{
    local at={program} word option= current=${{COMP_WORDS[COMP_CWORD]}} i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        option=
        if [[ $word == -- ]]; then  # a command of its own
            COMPREPLY=($(compgen -c -f -- "$current"))
            return
        elif [[ $word == -* ]]; then
            {function}_has_value "$at" "$word" || continue
            [[ ${{COMP_WORDS[i + 1]}} == = ]] && ((i++))
            ((++i < COMP_CWORD)) || option=$word
        else
            case "$at $word" in
{steps}
            esac
        fi
    done
    [[ $current == = ]] && current=
    if [[ $option ]]; then
        case "$at $option" in
{values}
        esac
        return
    fi
    if [[ $current == -* ]]; then
        case "$at" in
{options}
        esac
        return
    fi
    case "$at" in
{words}
    esac
}}
{function}_has_value() {{
    case "$1 $2" in
{has_value}
        *) return 1 ;;
    esac
}}
complete -F {function} {program}
"""


def indented(lines, width):
    return "\n".join(" " * width + line for line in lines) or " " * width + "*) ;;"


def bash_values(kind, words):
    return {"words": f'COMPREPLY=($(compgen -W {quoted(" ".join(words))} -- "$current"))',
            "files": 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$current"))',
            "folders": 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$current"))'}.get(kind)


def bash(command):
    found = list(commands_of(command))
    values, options, words, has_value = [], [], [], []
    for path, option in with_value(found):
        names = " | ".join(quoted(f"{path} {name}") for name in option["names"])
        has_value.append(f"{names}) ;;")
        offer = bash_values(value_kind(option), option["choices"])
        if offer:
            values.append(f"{names}) {offer} ;;")
    for path, one, valid in found:
        names = " ".join(name for option in valid for name in option["names"])
        options.append(f'{quoted(path)}) {bash_values("words", names.split())} ;;')
        subs = [name for sub in one["commands"] for name in [sub["name"], *sub["aliases"]]]
        if subs:
            words.append(f'{quoted(path)}) {bash_values("words", subs)} ;;')
            continue
        for positional in one["positionals"]:
            offer = bash_values(value_kind(positional), positional["choices"])
            if offer:
                words.append(f"{quoted(path)}) {offer} ;;")
                break
    return BASH.format(program=command["name"], function=function_name(command["name"]), steps=indented(steps(found), 16),
                       values=indented(values, 12), options=indented(options, 12), words=indented(words, 8),
                       has_value=indented(has_value, 8))


ZSH = """#compdef {program}
# zsh completion of {program}; generated from its command line.
{function}() {{
    local at={program} word option= i
    local -a offered
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        option=
        if [[ $word == -- ]]; then  # a command of its own
            shift $i words
            ((CURRENT -= i))
            _normal
            return
        elif [[ $word == --*=* ]]; then
            continue
        elif [[ $word == -* ]]; then
            {function}_has_value "$at" "$word" || continue
            ((++i < CURRENT)) || option=$word
        else
            case "$at $word" in
{steps}
            esac
        fi
    done
    if [[ $words[CURRENT] == --*=* ]]; then
        option=${{words[CURRENT]%%=*}}
        compset -P '*='
    fi
    if [[ -n $option ]]; then
        case "$at $option" in
{values}
        esac
        return
    fi
    if [[ $words[CURRENT] == -* ]]; then
        case "$at" in
{options}
        esac
        _describe -o option offered
        return
    fi
    case "$at" in
{words}
    esac
}}
{function}_has_value() {{
    case "$1 $2" in
{has_value}
        *) return 1 ;;
    esac
}}
# Autoloaded by compinit the first time, called by name afterwards.
if [[ $funcstack[1] == {function_file} ]]; then
    {function} "$@"
else
    compdef {function} {program}
fi
"""


def zsh_item(name, description):
    return quoted(name.replace(":", "\\:") + ":" + description.split("\n")[0])


def zsh_values(kind, words):
    return {"words": "compadd -- " + " ".join(map(quoted, words)), "files": "_files", "folders": "_files -/"}.get(kind)


def zsh(command):
    found = list(commands_of(command))
    values, options, words, has_value = [], [], [], []
    for path, option in with_value(found):
        names = " | ".join(quoted(f"{path} {name}") for name in option["names"])
        has_value.append(f"{names}) ;;")
        offer = zsh_values(value_kind(option), option["choices"])
        if offer:
            values.append(f"{names}) {offer} ;;")
    for path, one, valid in found:
        items = " ".join(zsh_item(name, option["description"]) for option in valid for name in option["names"])
        options.append(f"{quoted(path)}) offered=({items}) ;;")
        subs = [(name, sub["description"]) for sub in one["commands"] for name in [sub["name"], *sub["aliases"]]]
        if subs:
            words.append(f"{quoted(path)}) offered=({' '.join(zsh_item(*s) for s in subs)}); _describe command offered ;;")
            continue
        for positional in one["positionals"]:
            offer = zsh_values(value_kind(positional), positional["choices"])
            if offer:
                words.append(f"{quoted(path)}) {offer} ;;")
                break
    return ZSH.format(program=command["name"], function=function_name(command["name"]) + "_complete",
                      function_file="_" + command["name"], steps=indented(steps(found), 16), values=indented(values, 12),
                      options=indented(options, 12), words=indented(words, 8), has_value=indented(has_value, 8))
