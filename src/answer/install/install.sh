#!/bin/sh
# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     curl -sS '{{server}}/-/install{{target}}' | sh
#
# It goes to $GOX_BIN; else to the first of ~/.local/bin, ~/bin and /usr/local/bin that is on PATH and can be written; else to
# ~/.local/bin. Its SHA-256 is compared with what the server says. No sudo, and nothing else is touched.

set -eu

server='{{server}}'
program='{{exact}}'
query='{{query}}'
file='{{file}}'
name='{{name}}'

say() { printf '%s\n' "$*" >&2; }
fail() { say "$name was not installed: $*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# What tells this machine from others: the version on illumos and Solaris, the processor on BSDs for small boards.
machine() {
    case $(uname -s) in
    SunOS) uname -smv ;;
    FreeBSD | NetBSD) uname -smp ;;
    *) uname -sm ;;
    esac
}

# url SUFFIX: where the program is, or what is told beside it.
url() { printf '%s\n' "$server$program$1${query:+?$query}"; }

# fetch SUFFIX FILE: curl or wget. What they say of the answer's head is in FILE.head; cut says whether they miss something.
fetch() {
    : >"$2"
    : >"$2.head"
    cut='' watcher=''
    if [ -t 2 ]; then watch "$2" & watcher=$!; fi
    if has curl; then
        curl --silent --show-error --location --user-agent "$machine" --dump-header "$2.head" --output "$2" "$(url "$1")" || cut=yes
    elif has wget; then
        case $(wget --help 2>&1) in
        *content-on-error*) wget -q -S --content-on-error -U "$machine" -O "$2" "$(url "$1")" 2>"$2.head" || cut=yes ;;
        *) wget -q -S -U "$machine" -O "$2" "$(url "$1")" 2>"$2.head" || cut=yes ;;
        esac
    else
        fail 'there is neither curl nor wget.'
    fi
    if [ -n "$watcher" ]; then
        { kill "$watcher" && wait "$watcher"; } 2>/dev/null || true
        printf '\r\033[K' >&2
    fi
}

# watch FILE: on a terminal, each second, how much of it has come; before that, how far its compile is.
watch() {
    seconds=0
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 1))
        came=$(($(wc -c <"$1") / 1024))
        read_head "$1.head"
        if [ "$came" -gt 0 ]; then far="$came${length:+ of $((length / 1024))} kB"; else far=$(compiled); fi
        # Why the last try failed is no news of this one.
        case $far in *' kB' | 'Being compiled: '*) ;; *) far='' ;; esac
        printf '\r\033[K%s' "$(printf '%s\n' "$seconds s. $far" | cut -c 1-78)" >&2
    done
}

# How far the compile is, if it is on its way.
compiled() {
    if has curl; then curl --silent --fail --user-agent "$machine" "$(url .log)"
    else wget -q -U "$machine" -O - "$(url .log)"
    fi 2>/dev/null || true
}

# read_head FILE: the status of the last answer in it, and of its head what is needed here; redirections precede it.
read_head() {
    code='' wait='' reason='' length='' known=''
    while IFS=' :' read -r field value; do
        case $field in
        HTTP/*) code=${value%%[!0-9]*} wait='' reason='' length='' ;;
        [Cc]ontent-[Ll]ength) length=${value%%[!0-9]*} ;;
        [Rr]etry-[Aa]fter) wait=${value%%[!0-9]*} ;;
        [Gg]ox-[Rr]eason) reason=${value%%[!a-z-]*} ;;
        [Gg]ox-[Vv]ulnerabilities) known=${value%%[!0-9]*} database=${value##*db=} ;;
        esac
    done <"$1"
}

# ask SUFFIX FILE: fetches it, and while it still compiles waits as long as the server says.
ask() {
    tries=0
    while fetch "$1" "$2"; read_head "$2.head"; [ "$code" = 503 ] && [ "$tries" -lt 90 ]; do
        tries=$((tries + 1))
        say "It is not ready yet ($reason). Asking again in ${wait:-10} seconds."
        sleep "${wait:-10}"
    done
    case $code in
    # 206: wget has lost the connection, and fetched the rest by itself.
    200 | 206) ;;
    *) refused "$1" "$2" ;;
    esac
}

# refused SUFFIX FILE: why, as the server says it: its failures are scripts that print it. Some wgets keep none.
refused() {
    [ -n "$code" ] || fail "$server does not answer."
    read -r first <"$2" || first=
    # shellcheck source=/dev/null
    case $first in
    '#!/bin/sh') (. "$2") || true ;;
    *) say "The server says $code${reason:+, $reason}. Why, it tells a browser: $(url "$1")" ;;
    esac
    [ -z "$wait" ] || say "Ask again in $wait seconds."
    fail "the server refused."
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
    [ -n "${HOME:-}" ] || fail 'there is no HOME. Say where it goes, as in GOX_BIN=/usr/local/bin.'
    for bin in "$HOME/.local/bin" "$HOME/bin" /usr/local/bin; do
        case ":$PATH:" in
        *":$bin:"*) if [ -d "$bin" ] && [ -w "$bin" ]; then printf '%s\n' "$bin"; return; fi ;;
        esac
    done
    printf '%s\n' "$HOME/.local/bin"
}

main() {
    machine=$(machine)
    if [ -z "$file" ]; then
        case $machine in
        MINGW* | MSYS* | CYGWIN*) file=$name.exe ;;
        *) file=$name ;;
        esac
    fi
    bin=$(directory)
    mkdir -p "$bin" || fail "$bin cannot be made."
    [ ! -d "$bin/$file" ] || fail "$bin/$file is a directory."
    # Beside where it goes, so that the last step is a rename: what runs is never half a program.
    new=$bin/.$file.$$
    trap 'rm -f "$new" "$new.head" "$new.sha256" "$new.sha256.head"' EXIT
    trap 'exit 1' HUP INT TERM

    # {{notices}}
    say "Asking $server for $name {{version}} for ${query:-$machine}. If nobody has asked before, it is compiled now."
    ask '' "$new"
    lost=$cut
    # Where a build failed after its answer had begun, this says why.
    ask .sha256 "$new.sha256"
    [ -z "$lost$cut" ] || fail 'the download was cut off. Run this again.'
    told=$(cut -d ' ' -f 1 "$new.sha256")
    got=$(sum "$new")
    [ -n "$told" ] || fail "$server tells no SHA-256."
    case $got in
    "$told") say "SHA-256 $got, as the server says." ;;
    '') say 'Nothing here tells a SHA-256 (sha256sum, shasum, openssl): it was not compared.' ;;
    *) fail "its SHA-256 is $got, and the server says $told." ;;
    esac
    chmod 755 "$new"
    mv -f "$new" "$bin/$file" || fail "$bin/$file cannot be written."
    say "Installed $bin/$file"
    case $known in
    '' | 0) ;;
    *) say "Known vulnerabilities in what is linked: $known (database of ${database%%[!0-9-]*}). $(url .json) names them." ;;
    esac
    case ":$PATH:" in
    *":$bin:"*) ;;
    *) say "$bin is not on your PATH. Add it: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

# At the end: a script that was cut on its way does nothing.
main
