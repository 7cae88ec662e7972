#!/bin/sh
# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     curl -fsS {{server}}/-/install{{target}} | sh
#
# It goes to $GOX_BIN; else to the first of ~/.local/bin, ~/bin and /usr/local/bin that is on PATH and can be written; else to
# ~/.local/bin. Its SHA-256 is compared with what the server says. No sudo, and nothing else is touched.

set -eu

server='{{server}}'
url='{{server}}{{exact}}'
name='{{name}}'

say() { printf '%s\n' "$*" >&2; }
fail() { say "$name was not installed: $*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# fetch URL FILE: curl or wget, told to wait where the server says that it still compiles.
fetch() {
    if has curl; then
        if [ -t 2 ]; then bar=--progress-bar; else bar=--silent; fi
        curl "$bar" --show-error --fail --location --retry 60 --user-agent "$machine" --output "$2" "$1"
    elif has wget; then
        tries=0
        until wget -q -U "$machine" -O "$2" "$1"; do
            tries=$((tries + 1))
            [ "$tries" -lt 30 ] || return 1
            sleep 10
        done
    else
        fail 'there is neither curl nor wget.'
    fi
}

# sum FILE: its SHA-256, or nothing where no program tells it.
sum() {
    if has sha256sum; then sha256sum "$1"
    elif has shasum; then shasum -a 256 "$1"
    elif has openssl; then openssl dgst -sha256 -r "$1"
    fi | cut -d ' ' -f 1
}

# The directory that it goes to.
directory() {
    if [ -n "${GOX_BIN:-}" ]; then
        printf '%s\n' "$GOX_BIN"
        return
    fi
    for bin in "$HOME/.local/bin" "$HOME/bin" /usr/local/bin; do
        case ":$PATH:" in
        *":$bin:"*) if [ -d "$bin" ] && [ -w "$bin" ]; then printf '%s\n' "$bin"; return; fi ;;
        esac
    done
    printf '%s\n' "$HOME/.local/bin"
}

main() {
    machine=$(uname -sm)
    case $machine in
    MINGW* | MSYS* | CYGWIN*) file=$name.exe ;;
    *) file=$name ;;
    esac
    bin=$(directory)
    mkdir -p "$bin" || fail "$bin cannot be made."
    # Beside where it goes, so that the last step is a rename: what runs is never half a program.
    new=$bin/.$file.$$
    trap 'rm -f "$new" "$new.sha256"' EXIT
    trap 'exit 1' HUP INT TERM

    say "Asking $server for $name {{version}} for $machine. If nobody has asked before, it is compiled now."
    fetch "$url" "$new" || fail "the server refused. It says why: curl -A '$machine' '$url'"
    fetch "$url.sha256" "$new.sha256" || fail 'the server does not tell its SHA-256.'
    told=$(cut -d ' ' -f 1 "$new.sha256")
    got=$(sum "$new")
    case $got in
    "$told") say "SHA-256 $got, as the server says." ;;
    '') say 'Nothing here tells a SHA-256 (sha256sum, shasum, openssl): it was not compared.' ;;
    *) fail "its SHA-256 is $got, and the server says $told." ;;
    esac
    chmod 755 "$new"
    mv -f "$new" "$bin/$file" || fail "$bin/$file cannot be written."
    say "Installed $bin/$file"
    case ":$PATH:" in
    *":$bin:"*) ;;
    *) say "$bin is not on your PATH. Add it: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

# At the end: a script that was cut on its way does nothing.
main
