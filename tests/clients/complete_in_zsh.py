# Types a part of a command into zsh in a terminal, with tabs, and prints what zsh shows. The completions are in this directory.
import os, pty, select, time

pid, terminal = pty.fork()
if pid == 0:
    os.execvp("zsh", ["zsh", "-f", "-i"])


def wait_for(text):
    shown = ""
    end = time.monotonic() + 60
    while text not in shown and time.monotonic() < end and select.select([terminal], [], [], 60)[0]:
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


os.write(terminal, b"PS1=; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; echo RE''ADY\n")
wait_for("READY\r")
os.write(terminal, b"gox-server verif\t --js\t")
print(wait_for("--json"))
os.close(terminal)
os.waitpid(pid, 0)
