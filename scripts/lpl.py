#!/usr/bin/env python3
"""Looks into result files of lpl_sim and lpl_rate.

    lpl.py info RESULT.h5                                   what the file holds
    lpl.py report RESULT.h5 [MORE.h5 ...] -o report.html    one page with all pictures; several runs are compared
    lpl.py selectivity RESULT.h5 [MORE.h5 ...]              rates, decoding, weights by input group
    lpl.py spikes RESULT.h5 exc -o exc.spk                  spikes as .csv, .npz or Auryn's .spk
    lpl.py weights RESULT.h5 input_exc -o w.wmat            weights as .csv, .npz or MatrixMarket (.wmat, .mtx)
    lpl.py export RESULT.h5 rates/exc/rate -o rate.csv      any dataset as .csv or .npy
"""

import argparse
import pathlib
import sys

import distribution_python  # noqa: F401

from lpl_analysis.results import Result, ResultError


# The commands import what they need: pictures and decoders take seconds to load.


def info(options):
    from lpl_analysis import export

    for path in options.results:
        with Result(path) as result:
            print(export.summary(result))


def make_report(options):
    from lpl_analysis import report

    results = [Result(path) for path in options.results]
    options.output.write_text(report.page(results), encoding="utf-8")
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def print_selectivity(options):
    from lpl_analysis import selectivity

    for path in options.results:
        with Result(path) as result:
            pathway = selectivity.find_pathway(result)
            if pathway is None:
                raise ResultError(f"{path}: no input with several groups was recorded together with a population; "
                                  "record spikes of both")
            rows = selectivity.analyse(result, pathway)
            if result.status != "complete":
                print(f"{path}: the run is {result.status}; the table shows what was written", file=sys.stderr)
            print(f"{path}\n{selectivity.table(result, pathway, rows)}")
            if options.picture and path == options.results[0]:
                selectivity.draw(result, pathway, rows, options.picture)
                print(f"picture: {options.picture}")


def export_spikes(options):
    from lpl_analysis import export

    with Result(options.result) as result:
        count = export.export_spikes(result, options.source, options.output, options.begin, options.end)
    print(f"{options.output}: {count} spikes")


def export_weights(options):
    from lpl_analysis import export

    with Result(options.result) as result:
        names = result.snapshots(options.connection) if options.connection in result.connections() else []
        snapshot = options.snapshot or (names[-1] if names else "")
        count = export.export_weights(result, options.connection, snapshot, options.output)
    print(f"{options.output}: {count} synapses, snapshot {snapshot}")


def export_dataset(options):
    from lpl_analysis import export

    with Result(options.result) as result:
        shape = export.export_dataset(result, options.dataset, options.output)
    print(f"{options.output}: shape {shape}")


def command(commands, name, function, help_text):
    parser = commands.add_parser(name, help=help_text, description=help_text)
    parser.set_defaults(function=function)
    return parser


def command_line():
    text = __doc__.replace("lpl.py", pathlib.Path(sys.argv[0]).name)  # installed, it is called lpl
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    several = {"nargs": "+", "type": pathlib.Path, "metavar": "RESULT.h5"}
    one = {"type": pathlib.Path, "metavar": "RESULT.h5"}
    output = {"type": pathlib.Path, "required": True, "metavar": "FILE"}

    command(commands, "info", info, "What result files hold.").add_argument("results", **several)
    parts = command(commands, "report", make_report, "One self-contained page about runs.")
    parts.add_argument("results", **several)
    parts.add_argument("-o", "--output", **output)
    parts = command(commands, "selectivity", print_selectivity, "What a network learnt about its input groups.")
    parts.add_argument("results", **several)
    parts.add_argument("--picture", type=pathlib.Path, metavar="FILE", help="draw the first result here")
    parts = command(commands, "spikes", export_spikes, "Spikes of a source as .csv, .npz or .spk.")
    parts.add_argument("result", **one)
    parts.add_argument("source")
    parts.add_argument("-o", "--output", **output)
    parts.add_argument("--begin", type=float, default=float("-inf"), metavar="SECONDS")
    parts.add_argument("--end", type=float, default=float("inf"), metavar="SECONDS")
    parts = command(commands, "weights", export_weights, "A weight snapshot as .csv, .npz, .wmat or .mtx.")
    parts.add_argument("result", **one)
    parts.add_argument("connection")
    parts.add_argument("-o", "--output", **output)
    parts.add_argument("--snapshot", help="default: the latest")
    parts = command(commands, "export", export_dataset, "Any dataset as .csv or .npy.")
    parts.add_argument("result", **one)
    parts.add_argument("dataset")
    parts.add_argument("-o", "--output", **output)
    return parser


def main(arguments=None):
    options = command_line().parse_args(arguments)
    try:
        options.function(options)
    except (ResultError, OSError) as error:
        sys.exit(f"lpl.py: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
