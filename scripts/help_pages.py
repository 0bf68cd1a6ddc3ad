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
Documents in share/doc/lpl/docs: the language of descriptions, the layout of result files and more.
"""


class Option:
    def __init__(self, head, text):
        names, _, value = head.partition(" ")
        self.names = [name for name in names.split(",") if name]
        value, *others = re.split("(Needs|Excludes):", value)
        self.others = [f"{verb} {names.strip()}." for verb, names in zip(others[::2], others[1::2])]
        self.value, self.text = value.replace("REQUIRED", "").strip(), text.strip()

    def choices(self):
        """The words that the option takes, where its value, or its text at the beginning, lists them."""
        found = re.search(r"\{(.*)\}", self.value) or (self.value and re.match(r"((?:\w+, )+\w+) or ", self.text))
        return re.split(", ?", found[1]) if found else []

    def before_value(self):
        """What stands before its value: its name, or that with "="; where the value may be left out, only the latter."""
        apart = [] if self.value.startswith("[=") else self.names
        return [*apart, *(f"{name}=" for name in self.names)]

    def files(self):
        """Patterns of the files that a positional argument may be: of those that its text names, or all."""
        named = self.text.startswith("The ")
        return [f"*.{suffix}" for suffix in re.findall(r"\.(\w+)", self.text)] if named else ["*"]


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
        others = "".join(f" {plain(sentence)}" for sentence in option.others)
        lines += [".TP", ", ".join(f"\\fB{plain(name)}\\fR" for name in option.names) + value,
                  plain(option.text) + ("." if others else "") + others]
    return lines


def section(page):
    return [plain(page.purpose), *items(page.positionals), *items(page.options)]


def manual(name, version, main, others):
    purpose = main.purpose.split(". ")[0].removesuffix(".")
    lines = [f'.TH {name.upper()} 1 "" "lpl {version}" "User Commands"',
             ".SH NAME", f"{name} \\- {plain(purpose[0].lower() + purpose[1:])}",
             ".SH SYNOPSIS", f"\\fB{plain(main.usage)}\\fR",
             ".br", f"\\fBmpirun \\-n\\fR \\fIRANKS\\fR \\fB{plain(main.usage)}\\fR",
             *(line for other in others.values() for line in (".br", f"\\fB{plain(other.usage)}\\fR")),
             ".SH DESCRIPTION", plain(main.purpose), *items(main.positionals), ".SH OPTIONS", *items(main.options)]
    for subcommand, other in others.items():
        lines += [f'.SH "SUBCOMMAND {plain(subcommand)}"', *section(other)]
    return "\n".join(lines) + "\n" + MORE


COMPLETION = """# Completion of NAME for bash, made from its --help.
_NAME() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words='' options="OPTIONS" files=(FILES) pattern
SUBCOMMANDS  COMPREPLY=()
  if [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}=; fi # to bash, --option=value is three words
  if [[ $word == = ]]; then word='' before=$before=; fi
  case $before in
CHOICES    VALUES) return ;;
  esac
  if [[ -z $words && $word == -* ]]; then words=$options; fi
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  else
    mapfile -t COMPREPLY < <(for pattern in "${files[@]}"; do compgen -f -X "!$pattern" -- "$word"; done
                             compgen -d -- "$word"; FIRST)
  fi
}
complete -o default -o filenames -F _NAME NAME
"""


def completion(name, main, others):
    """A function that bash calls: words for what has a fixed set, files for the rest."""
    options = [option for page in (main, *others.values()) for option in page.options]
    choices = {"|".join(option.before_value()): " ".join(option.choices()) for option in options if option.choices()}
    values = {word for option in options if option.value and not option.choices() for word in option.before_value()}

    def words(page):
        return " ".join(word for option in page.options for word in option.names if word.startswith("--"))

    def files(page):
        return " ".join(f"'{pattern}'" for pattern in page.positionals[0].files())

    subcommands = "".join(f'  if [[ $COMP_CWORD -gt 1 && ${{COMP_WORDS[1]}} == {word} ]]; then '
                          f'options="{words(page)}" files=({files(page)}); fi\n' for word, page in others.items())
    first = f'[[ $COMP_CWORD -gt 1 ]] || compgen -W "{" ".join(others)}" -- "$word"' if others else ":"
    parts = {"NAME": name, "OPTIONS": words(main), "FILES": files(main), "SUBCOMMANDS": subcommands,
             "CHOICES": "".join(f'    {names}) words="{fixed}" ;;\n' for names, fixed in choices.items()),
             "VALUES": "|".join(sorted(values)), "FIRST": first}
    return re.sub("|".join(parts), lambda found: parts[found[0]], COMPLETION)


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
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
