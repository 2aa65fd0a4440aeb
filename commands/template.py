"""`cli.py template ...`: from another recogniser's templates to pictures, and what such a template gives away."""

import typer

from commands.template_fit import apply_command, fit_command, report_command
from commands.template_pictures import NOTICE, reconstruct_command, validate_command

app = typer.Typer(
    help=f"Templates of other recognisers, mapped into the space that the weights know. {NOTICE}", no_args_is_help=True
)
app.command("fit")(fit_command)
app.command("apply")(apply_command)
app.command("report")(report_command)
app.command("validate")(validate_command)
app.command("reconstruct")(reconstruct_command)
