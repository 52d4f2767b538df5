"""The command `ntkbench`: its verbs, loaded when they are called, and the exit code of every ending."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from .._version import __version__
from ..errors import NtkbenchError, RunStopped, did_you_mean
from ..report.escape import visible
from ..runner.device import quiet_environment
from ..streams import keep_standard_output

# Said here so that --help imports none of them.
VERBS = {
    "run": "Sweep architectures over widths and seeds, measure, print the table.",
    "list": "Show what is registered, and theory's prediction.",
    "table": "Print the standard table of a run.",
    "export": "Write a run's results or its table as a file.",
    "compare": "Say what moved between two runs, and whether beyond noise.",
    "report": "Write a run as one HTML page.",
    "leaderboard": "Publish runs, re-run what others published, build the board.",
    "plot": "Draw a run's quantities against width.",
    "plugin": "Show, make and check plugins.",
    "doctor": "Test the numbers of every architecture, or of one model.",
}

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


class Verbs(click.Group):
    """A group whose commands are imported from the file of their name when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb."""
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(f".{cmd_name}", __package__).command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb's command, or say which verb was perhaps meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"No command is called {args[0]!r}. {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs and what they do, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}
)
@click.version_option(__version__, prog_name="ntkbench")
def ntkbench() -> None:
    """Measure when neural networks become linear in their parameters.

    The main job: `ntkbench run --arch all`. Tables go to standard output, progress to standard error.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 all cells ok or unsupported; 1 some failed, or the run could not go on; 2 the command was wrong; 130
    interrupted. NTKBENCH_DEBUG=1 shows the traceback of what nobody expected.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    quiet_environment(ours=True)
    keep_standard_output()
    try:
        code = ntkbench.main(args=list(arguments), prog_name="ntkbench", standalone_mode=False, obj=arguments)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG
    except (NtkbenchError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo("Error: " + "\n".join(map(visible, message.splitlines())), err=True)
        return FAILED if isinstance(error, RunStopped) else WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("NTKBENCH_DEBUG"):
            traceback.print_exc()
        else:
            text = " ".join(str(error).split())
            click.echo(
                f"Error: ntkbench stopped unexpectedly: {type(error).__name__}: {text} "
                "(NTKBENCH_DEBUG=1 shows where; please report it.)",
                err=True,
            )
        return FAILED
