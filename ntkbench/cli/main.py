"""The `ntkbench` command: lazily imported subcommands and the exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from .._version import __version__
from ..errors import NtkbenchError, RunStopped, did_you_mean, message_of
from ..report.escape import visible
from ..runner.device import quiet_environment
from ..streams import keep_standard_output

# Kept here so that --help does not import the commands.
VERBS = {
    "run": "Sweep architectures over widths and seeds and print the table.",
    "list": "List what is registered, with theory's predictions.",
    "table": "Print the standard table of a run.",
    "export": "Write a run's results or table to a file.",
    "compare": "Show what moved between two runs, and whether beyond noise.",
    "report": "Write an HTML report of a run.",
    "answers": "Answer the questions of a suite from finished runs.",
    "leaderboard": "Publish runs, verify published runs, build the board.",
    "plot": "Plot a run's quantities against width.",
    "plugin": "List, create and check plugins.",
    "doctor": "Self-test the numerics of every architecture, or of one model.",
}

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


class Verbs(click.Group):
    """A Click group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module."""
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(f".{cmd_name}", __package__).command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; for an unknown name, suggest the closest ones."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"Unknown command {args[0]!r}. {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command names and summaries without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}
)
@click.version_option(__version__, prog_name="ntkbench")
def ntkbench() -> None:
    """Measure when neural networks become linear in their parameters.

    Start with `ntkbench run --arch all`. Tables go to standard output, progress to standard error.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    NTKBENCH_DEBUG=1 shows the traceback of unexpected errors.

    Args:
        arguments: Command-line arguments, `sys.argv[1:]` by default.

    Returns:
        0 when all cells are ok or unsupported, 1 when some failed or the run stopped early, 2 for a usage error,
        130 when interrupted.
    """
    if arguments is None:
        code = _exit_code(sys.argv[1:])
        if code == INTERRUPTED:
            # Python and its workers end now, which takes a moment; Ctrl-C once more would show a traceback.
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        return code
    return _exit_code(list(arguments))


def _exit_code(arguments: list[str]) -> int:
    quiet_environment(ours=True)
    keep_standard_output()
    try:
        code = ntkbench.main(args=arguments, prog_name="ntkbench", standalone_mode=False, obj=arguments)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG
    except (NtkbenchError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else message_of(error)
        click.echo("Error: " + "\n".join(map(visible, message.splitlines())), err=True)
        return FAILED if isinstance(error, RunStopped) else WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, for example) closed the pipe; without this, Python reports a second error when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("NTKBENCH_DEBUG"):
            traceback.print_exc()
        else:
            text = " ".join(message_of(error).split())
            click.echo(
                f"Error: ntkbench stopped unexpectedly: {type(error).__name__}: {text} "
                "(Set NTKBENCH_DEBUG=1 to see the traceback, and please report it.)",
                err=True,
            )
        return FAILED
