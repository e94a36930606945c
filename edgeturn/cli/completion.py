"""`edgeturn completion`: the script that teaches a shell to complete."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion_command(shell: str) -> None:
    """Print the script for your shell's completion.

    \b
    Examples:
      eval "$(edgeturn completion bash)"
      edgeturn completion bash > ~/.local/share/bash-completion/completions/edgeturn
      edgeturn completion zsh > "${fpath[1]}/_edgeturn"
      edgeturn completion fish > ~/.config/fish/completions/edgeturn.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "edgeturn", "_EDGETURN_COMPLETE").source())
