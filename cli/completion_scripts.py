"""The command `completion`: a script for the shell, which asks the doors what fits."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from string import Template

import click

from cli.shared import everywhere
from utils.exit_statuses import DONE
from utils.home import CHECKOUT

SHELLS = ("bash", "zsh", "fish")
DOOR, RUN = CHECKOUT / "core" / "daemon_manager.py", CHECKOUT / "run.py"

# Only this checkout's own files are ever run by a Tab: `run.py` is a name that others have, too.
_BASH = r"""# makerd: `makerd` and `makerd-run` are daemon_manager.py and run.py of this checkout; Tab completes both,
# and `python core/daemon_manager.py`, `python run.py` as well. For every new shell, put this into ~/.bashrc:
#   eval "$$($python $door completion bash)"
makerd() { $python $door "$$@"; }
makerd-run() { $python $run "$$@"; }
_makerd_ask() {  # DOOR VARIABLE PLACE: the word at PLACE is the door
    local kind value IFS=$$'\n'
    compopt +o default +o bashdefault 2>/dev/null
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $$kind in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain) COMPREPLY+=("$$value") ;;
        esac
    done < <(env "COMP_WORDS=$${COMP_WORDS[*]:$$3}" "COMP_CWORD=$$((COMP_CWORD - $$3))" "$$2=bash_complete" \
        $python "$$1" 2>/dev/null)
}
_makerd() { _makerd_ask $door _DAEMON_MANAGER_PY_COMPLETE 0; }
_makerd_run() { _makerd_ask $run _RUN_PY_COMPLETE 0; }
_makerd_python() {
    local place word
    for ((place = 1; place < COMP_CWORD; place++)); do
        word=$${COMP_WORDS[place]}
        [[ $$word == -* ]] && continue
        case $$(readlink -f -- "$$word") in
            $door) _makerd_ask $door _DAEMON_MANAGER_PY_COMPLETE "$$place" ;;
            $run) _makerd_ask $run _RUN_PY_COMPLETE "$$place" ;;
        esac
        return
    done
}
complete -F _makerd makerd
complete -F _makerd_run makerd-run
complete -o bashdefault -o default -F _makerd_python python python3
"""
_ZSH = r"""# makerd: `makerd` and `makerd-run` are daemon_manager.py and run.py of this checkout; Tab completes both.
# For every new shell, put this into ~/.zshrc, below compinit:
#   eval "$$($python $door completion zsh)"
makerd() { $python $door "$$@" }
makerd-run() { $python $run "$$@" }
_makerd_ask() {
    local kind key descr
    local -a found
    while IFS= read -r kind && IFS= read -r key && IFS= read -r descr; do
        case $$kind in
            file) _files ;;
            dir) _files -/ ;;
            plain) found+=("$$key") ;;
        esac
    done < <(env "COMP_WORDS=$${words[*]}" "COMP_CWORD=$$((CURRENT - 1))" "$$2=zsh_complete" $python "$$1" 2>/dev/null)
    (( $$#found )) && compadd -a found
}
_makerd() { _makerd_ask $door _DAEMON_MANAGER_PY_COMPLETE }
_makerd_run() { _makerd_ask $run _RUN_PY_COMPLETE }
compdef _makerd makerd
compdef _makerd_run makerd-run
"""
_FISH = r"""# makerd: `makerd` and `makerd-run` are daemon_manager.py and run.py of this checkout; Tab completes both.
# For every new shell, put this into ~/.config/fish/config.fish:
#   $python $door completion fish | source
function makerd; $python $door $$argv; end
function makerd-run; $python $run $$argv; end
function _makerd_ask
    for line in (env $$argv[2]=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) $python $$argv[1])
        set -l parts (string split "," -- $$line)
        switch $$parts[1]
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
            case plain
                echo $$parts[2]
        end
    end
end
complete --no-files --command makerd --arguments "(_makerd_ask $door _DAEMON_MANAGER_PY_COMPLETE)"
complete --no-files --command makerd-run --arguments "(_makerd_ask $run _RUN_PY_COMPLETE)"
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@everywhere
def completion(shell: str | None) -> int:
    """Print what makes the Tab key complete commands, bots and templates; its head says where to put it.

    Without a name it is for the shell of $SHELL.
    """
    click.echo(script_for(shell or _own_shell()), nl=False)
    return DONE


def script_for(shell: str) -> str:
    """Return the script for a shell."""
    words = {"python": sys.executable, "door": str(DOOR), "run": str(RUN)}
    return Template(_SCRIPTS[shell]).substitute({name: shlex.quote(word) for name, word in words.items()})


def _own_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"which shell? {', '.join(SHELLS)}")
    return name
