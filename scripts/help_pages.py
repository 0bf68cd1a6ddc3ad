#!/usr/bin/env python3
"""Makes a program's manual page, or its completion for bash, from what its --help says.

    help_pages.py man|bash OUT PROGRAM [SUBCOMMAND ...]
"""

import argparse
import pathlib
import re
import subprocess

# What --help does not say, and all programs share.
MORE = r""".SH EXIT STATUS
0 done, 1 the run failed, 2 misused (description or command line), 75 interrupted with a checkpoint written.
.SH ENVIRONMENT
.TP
.B LPL_MODELS
Folder of the models that descriptions refer to by name, in place of those installed with the program.
.TP
.B OMP_NUM_THREADS
Threads of a rank of \fBlpl_rate\fR.
.SH SEE ALSO
.BR lpl_sim (1),
.BR lpl_rate (1),
.BR mpirun (1).
The language of descriptions, the layout of result files and more lie in the package's folder of documents (share/doc/lpl/docs).
"""


class Option:
    def __init__(self, head, text):
        names, _, value = head.partition(" ")
        self.names = [name for name in names.split(",") if name]
        value, _, self.needs = value.partition("Needs:")
        self.value, self.text = value.replace("REQUIRED", "").strip(), text.strip()

    def choices(self):
        """The words that the option takes, where it takes only some."""
        found = re.search(r"\{(.*)\}", self.value)
        return found[1].split(",") if found else []


class Help:
    """A page of --help: the purpose, the positional arguments and the options."""

    COLUMN = 30  # where explanations begin

    def __init__(self, text):
        self.purpose = text.split("\nUsage:", 1)[0].strip().replace("\n", " ")
        self.usage = re.search(r"Usage: (.*)", text)[1].strip()
        self.positionals = self.entries(text, "Positionals:")
        self.options = self.entries(text, "Options:")

    @classmethod
    def entries(cls, text, title):
        found = []
        for line in text.partition(f"\n{title}\n")[2].split("\n\n")[0].splitlines():
            if line.startswith(" " * cls.COLUMN):
                found[-1].text = f"{found[-1].text} {line.strip()}".strip()
            elif len(line) > cls.COLUMN and line[cls.COLUMN - 1] == " ":
                found.append(Option(line[:cls.COLUMN].strip(), line[cls.COLUMN:]))
            else:
                found.append(Option(line.strip(), ""))
        return found


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def plain(text):
    """Text that troff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def items(options):
    lines = []
    for option in options:
        value = f" \\fI{plain(option.value)}\\fR" if option.value else ""
        needs = f" Needs {plain(option.needs.strip())}." if option.needs else ""
        lines += [".TP", ", ".join(f"\\fB{plain(name)}\\fR" for name in option.names) + value,
                  plain(option.text) + ("." if needs else "") + needs]
    return lines


def section(page):
    return [plain(page.purpose), *items(page.positionals), *items(page.options)]


def manual(name, version, main, others):
    purpose = main.purpose.split(". ")[0].removesuffix(".")
    lines = [f'.TH {name.upper()} 1 "" "lpl {version}" "User Commands"',
             ".SH NAME", f"{name} \\- {plain(purpose[0].lower() + purpose[1:])}",
             ".SH SYNOPSIS", f"\\fB{plain(main.usage)}\\fR", ".br", f"\\fBmpirun \\-n\\fR \\fIRANKS\\fR \\fB{plain(main.usage)}\\fR",
             *(line for other in others.values() for line in (".br", f"\\fB{plain(other.usage)}\\fR")),
             ".SH DESCRIPTION", plain(main.purpose), *items(main.positionals), ".SH OPTIONS", *items(main.options)]
    for subcommand, other in others.items():
        lines += [f'.SH "SUBCOMMAND {plain(subcommand)}"', *section(other)]
    return "\n".join(lines) + "\n" + MORE


def completion(name, main, others):
    """A function that bash calls: words for what has a fixed set, files for the rest."""
    def case(pages, indent):
        lines = []
        for option in pages.options:
            if option.choices():
                lines.append(f'{indent}{"|".join(option.names)}) words="{" ".join(option.choices())}" ;;')
        return lines

    def words(page):
        return " ".join(name for option in page.options for name in option.names if name.startswith("--"))

    suffix = re.search(r"\.(\w+)", main.positionals[0].text)[1]
    lines = [f"# Completion of {name} for bash, made from its --help.", f"_{name}() {{",
             '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words="" suffix=' + suffix,
             f'  local options="{words(main)}"']
    for subcommand, page in others.items():
        ending = re.search(r"\.(\w+)", page.positionals[0].text)[1]
        lines.append(f'  if [[ ${{COMP_WORDS[1]}} == {subcommand} && $COMP_CWORD -gt 1 ]]; then '
                     f'options="{words(page)}" suffix={ending}; fi')
    lines += ["  COMPREPLY=()", "  case $before in", *case(main, "    "),
              *(line for page in others.values() for line in case(page, "    ")),
              f'    {"|".join(sorted(takes_value(main, others)))}) return ;;', "  esac",
              '  if [[ -z $words && $word == -* ]]; then words=$options; fi',
              '  if [[ -n $words ]]; then mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"); return; fi',
              '  mapfile -t COMPREPLY < <(compgen -f -X "!*.$suffix" -- "$word"; compgen -d -- "$word")']
    if others:
        lines.append(f'  if [[ $COMP_CWORD == 1 ]]; then COMPREPLY+=($(compgen -W "{" ".join(others)}" -- "$word")); fi')
    return "\n".join(lines + ["}", f"complete -o default -o filenames -F _{name} {name}"]) + "\n"


def takes_value(main, others):
    """Names of options that take a value of their own: files, as bash completes them by itself."""
    return {name for page in (main, *others.values()) for option in page.options for name in option.names
            if option.value and not option.choices()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["man", "bash"])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("subcommand", nargs="*")
    options = parser.parse_args()
    program = str(options.program)
    page = Help(output_of(program, "--help"))
    others = {word: Help(output_of(program, word, "--help")) for word in options.subcommand}
    name = options.program.name
    if options.kind == "man":
        version = output_of(program, "--version").split()[1]
        text = manual(name, version, page, others)
    else:
        text = completion(name, page, others)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)


if __name__ == "__main__":
    main()
