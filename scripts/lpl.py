#!/usr/bin/env python3
"""Looks into result files of lpl_sim and lpl_rate.

    lpl.py info RESULT.h5                                   what the file holds
    lpl.py report RESULT.h5 [MORE.h5 ...] -o report.html    one page with all pictures; several runs are compared
    lpl.py selectivity RESULT.h5 [MORE.h5 ...]              rates, decoding, weights by input group
    lpl.py spikes RESULT.h5 exc -o exc.spk                  spikes as .csv, .npz or Auryn's .spk or .ras
    lpl.py state RESULT.h5 v -o v.h5                        recorded state as .csv, .npz or a SONATA report (.h5)
    lpl.py weights RESULT.h5 input_exc -o w.wmat            weights as .csv, .npz or MatrixMarket (.wmat, .mtx)
    lpl.py presentations RESULT.h5 input -o input.stim      what a stimulus showed when as .csv, .npz or Auryn's .stim
    lpl.py patterns RESULT.h5 input -o memories.pat         patterns that a stimulus drew as .csv, .npz or Auryn's .pat
    lpl.py export RESULT.h5 rates/exc/rate -o rate.csv      any dataset as .csv or .npy
    lpl.py onnx RESULT.h5 -o net.onnx                       a trained network for other programs to run
    lpl.py join exc.0.spk exc.1.spk -o exc.spk              files of Auryn's ranks as one: .spk, .ras, .wmat

Only pages and pictures that lpl.py made are replaced; other files that are there already, with --overwrite only.
Exit status: 0 done, 1 failed, 2 misused.
"""

import argparse
import contextlib
import pathlib
import signal
import sys

import distribution_python  # noqa: F401

from lpl_analysis import output
from lpl_analysis.results import Result, ResultError


# The commands import what they need: pictures and decoders take seconds to load.


def opened(path):
    """A result; says on stderr where its run has not come to its end."""
    result = Result(path)
    if result.note:
        print(f"{path}: {result.note}", file=sys.stderr)
    return result


def info(options):
    from lpl_analysis import export

    for path in options.results:
        with Result(path) as result:
            print(export.summary(result))


def make_report(options):
    from lpl_analysis import report

    output.check(options.output, options.results, options.overwrite)
    with contextlib.ExitStack() as files:
        page = report.page([files.enter_context(opened(path)) for path in options.results])
    with output.replacing(options.output) as new:
        new.write_text(page, encoding="utf-8")
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def print_selectivity(options):
    from lpl_analysis import selectivity

    if options.picture:
        output.check(options.picture, options.results, options.overwrite)
    for path in options.results:
        with opened(path) as result:
            pathway = selectivity.find_pathway(result)
            if pathway is None:
                raise ResultError(f"{path}: no input with several groups was recorded together with a population; "
                                  "record spikes of both")
            rows = selectivity.analyse(result, pathway)
            print(f"{path}\n{selectivity.table(result, pathway, rows)}")
            if options.picture and path == options.results[0]:
                with output.replacing(options.picture) as new:
                    selectivity.draw(result, pathway, rows, new)
                print(f"picture: {options.picture}")


@contextlib.contextmanager
def exporting(options):
    """The result, and the path to write to."""
    output.check(options.output, [options.result], options.overwrite)
    with opened(options.result) as result, output.replacing(options.output) as new:
        yield result, new


def export_spikes(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        count = export.export_spikes(result, options.source, new, options.begin, options.end)
    print(f"{options.output}: {count} spikes")


def export_state(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        count = export.export_state(result, options.record, new, options.window)
    print(f"{options.output}: {count} samples")


def export_weights(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        names = result.snapshots(options.connection) if options.connection in result.connections() else []
        snapshot = options.snapshot or (names[-1] if names else "")
        count = export.export_weights(result, options.connection, snapshot, new)
    print(f"{options.output}: {count} synapses, snapshot {snapshot}")


def export_presentations(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        count = export.export_presentations(result, options.stimulus, new)
    print(f"{options.output}: {count} presentations")


def export_patterns(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        count = export.export_patterns(result, options.stimulus, new)
    print(f"{options.output}: {count} patterns")


def export_dataset(options):
    from lpl_analysis import export

    with exporting(options) as (result, new):
        shape = export.export_dataset(result, options.dataset, new)
    print(f"{options.output}: shape {shape}")


def export_onnx(options):
    from lpl_analysis import onnx_graph

    with exporting(options) as (result, new):
        outputs = onnx_graph.export_network(result, new, options.side)
    print(f"{options.output}: {', '.join(outputs)}")


def join_files(options):
    from lpl_analysis import join

    output.check(options.output, options.parts, options.overwrite)
    with output.replacing(options.output) as new:
        content = join.join(options.parts, new)
    print(f"{options.output}: {content}")


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

    def writes(parts, *names, **more):
        parts.add_argument(*names, type=pathlib.Path, metavar="FILE", **more)
        parts.add_argument("--overwrite", action="store_true", help="replace a file that is there")

    command(commands, "info", info, "What result files hold.").add_argument("results", **several)
    parts = command(commands, "report", make_report, "One self-contained page about runs.")
    parts.add_argument("results", **several)
    writes(parts, "-o", "--output", required=True)
    parts = command(commands, "selectivity", print_selectivity, "What a network learnt about its input groups.")
    parts.add_argument("results", **several)
    writes(parts, "--picture", help="draw the first result here")
    parts = command(commands, "spikes", export_spikes, "Spikes of a source as .csv, .npz, .spk or .ras.")
    parts.add_argument("result", **one)
    parts.add_argument("source")
    writes(parts, "-o", "--output", required=True)
    parts.add_argument("--begin", type=float, default=float("-inf"), metavar="SECONDS")
    parts.add_argument("--end", type=float, default=float("inf"), metavar="SECONDS")
    parts = command(commands, "state", export_state, "A record of state as .csv, .npz or, of one window, a SONATA report.")
    parts.add_argument("result", **one)
    parts.add_argument("record")
    writes(parts, "-o", "--output", required=True)
    parts.add_argument("--window", type=int, help="one of several, counted from 1")
    parts = command(commands, "weights", export_weights, "A weight snapshot as .csv, .npz, .wmat or .mtx.")
    parts.add_argument("result", **one)
    parts.add_argument("connection")
    writes(parts, "-o", "--output", required=True)
    parts.add_argument("--snapshot", help="default: the latest")
    parts = command(commands, "presentations", export_presentations, "What a stimulus showed when as .csv, .npz or .stim.")
    parts.add_argument("result", **one)
    parts.add_argument("stimulus")
    writes(parts, "-o", "--output", required=True)
    parts = command(commands, "patterns", export_patterns, "Patterns that a stimulus drew as .csv, .npz or .pat.")
    parts.add_argument("result", **one)
    parts.add_argument("stimulus")
    writes(parts, "-o", "--output", required=True)
    parts = command(commands, "export", export_dataset, "Any dataset as .csv or .npy.")
    parts.add_argument("result", **one)
    parts.add_argument("dataset")
    writes(parts, "-o", "--output", required=True)
    parts = command(commands, "onnx", export_onnx, "A trained network as ONNX.")
    parts.add_argument("result", **one)
    writes(parts, "-o", "--output", required=True)
    parts.add_argument("--side", type=int, metavar="PIXELS", help="of the images, where the result does not say")
    parts = command(commands, "join", join_files, "Files of Auryn's ranks as one: .spk, .ras, .wmat.")
    parts.add_argument("parts", nargs="+", type=pathlib.Path, metavar="PART")
    writes(parts, "-o", "--output", required=True)
    return parser


def main(arguments=None):
    options = command_line().parse_args(arguments)
    try:
        options.function(options)
    except ResultError as error:
        print(f"lpl.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lpl.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # quiet where the reader ends first (| head)
    sys.exit(main())
