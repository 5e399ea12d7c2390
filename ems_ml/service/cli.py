"""`ems`: the command line. A command's module is imported when it is called, so that `ems --help` is at once there."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

import click

from ems_ml.errors import EmsError
from ems_ml.service import exit_codes

#: name -> (module in `ems_ml.service.commands`, its one line of help), in the order of the help
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "See everything at once on embedded defaults."),
    "classify": ("classify", "An error report in, its pattern and ranked fixes out."),
    "pattern": ("pattern", "List, show, merge, split, resolve patterns."),
    "fix": ("fix", "Find a repair, and prove it with your own tests."),
    "harvest": ("harvest", "Make training data out of healthy packages."),
    "train": ("train", "Fit the models on historical errors, or on your own."),
    "models": ("models", "Which models are in use, and the way back."),
    "regroup": ("regroup", "What other models would change, the change, and the way back."),
    "evaluate": ("evaluate", "Judge the models beside their baselines."),
    "serve": ("serve", "API, worker, dashboard and monitor, supervised."),
    "key": ("key", "Make a project and a key to send errors with."),
    "index": ("index", "Make the index of the errors anew."),
    "doctor": ("doctor", "What is healthy, and the remedy for what is not."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps, and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ems_ml.service.commands.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"ems {version('ems-ml')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="The version.")
@click.option("--debug", is_flag=True, help="Show the Python traceback of an error of ours.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Error management that learns: errors in, patterns, reasons and proven repairs out.

    Every command answers --help. Settings are EMS_* variables or $EMS_HOME/ems.toml.
    """
    ctx.obj = {"debug": debug}


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code; whatever goes wrong is told in one line with its remedy."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments[:2]
    try:
        answer: Any = cli.main(args=arguments, prog_name="ems", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else exit_codes.OK
    except EmsError as error:
        if debug:
            traceback.print_exc()
        tell(str(error), error.hint)
        return error.exit_code
    except click.exceptions.Abort:
        tell("interrupted")
        return exit_codes.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "ems"
        tell(" ".join(error.format_message().split()), f"see: {where} --help")
        return error.exit_code
    except BrokenPipeError:
        _silence()
        return exit_codes.PROBLEMS
    except Exception as error:
        if debug:
            traceback.print_exc()
        tell(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}", "run again as: ems --debug ...")
        return exit_codes.PROBLEMS


def tell(problem: str, remedy: str = "") -> None:
    """One line of what is wrong, one of what to do, on standard error."""
    click.echo(click.style("ems: ", fg="red") + problem, err=True)
    if remedy:
        click.echo("  remedy: " + remedy, err=True)


def _silence() -> None:
    """Whoever read our output has gone; nothing more is to be written there, not at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """The entry point `ems`."""
    code = run()
    if code == exit_codes.INTERRUPTED:
        # CPython notes a Ctrl-C that fell into code run from a string (a dataclass being made at import, say) and
        # then ends by the signal, whatever the exit code. All is closed by now, so we leave before it looks.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
