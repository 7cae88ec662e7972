#!/bin/sh
# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     curl -sS '{{server}}/-/install{{target}}' | sh
#
# The directory is $GOX_BIN if that is set; in Termux $PREFIX/bin; otherwise the first of ~/.local/bin, ~/bin and /usr/local/bin
# that is on PATH and writable; otherwise ~/.local/bin. The script checks the SHA-256 of the program. It does not use sudo and
# changes no other file.

set -eu

server='{{server}}'
program='{{exact}}'
query='{{query}}'
file='{{file}}'
name='{{name}}'

say() { printf '%s\n' "$*" >&2; }
fail() { say "$name was not installed: $*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# The platform, sent as User-Agent. Only the version (-v) distinguishes illumos from Solaris. On the BSDs the processor (-p) is
# more specific than the machine (-m) on ARM boards. Old releases (-r) need a program of an older Go. Under Rosetta, uname prints
# x86_64. Only -o distinguishes Termux from Linux.
platform() {
    case $(uname -s) in
    Darwin)
        case $(sysctl -n hw.optional.arm64 2>/dev/null) in
        1) printf 'Darwin %s arm64\n' "$(uname -r)" ;;
        *) uname -srm ;;
        esac
        ;;
    Linux)
        case $(uname -o 2>/dev/null) in
        Android) uname -smo ;;
        *) uname -srm ;;
        esac
        ;;
    SunOS) uname -smv ;;
    FreeBSD | NetBSD) uname -smp ;;
    *) uname -sm ;;
    esac
}

# url SUFFIX: the URL of the program, or with a suffix of its checksum, metadata or log.
url() { printf '%s\n' "$server$program$1${query:+?$query}"; }

# fetch SUFFIX FILE: downloads the content to FILE and the headers to FILE.head. Sets fetch_failed if curl or wget fails.
fetch() {
    : >"$2"
    : >"$2.head"
    fetch_failed='' watcher=''
    if [ -t 2 ]; then watch "$2" & watcher=$!; fi
    if has curl; then
        curl --silent --show-error --location --user-agent "$platform" --dump-header "$2.head" --output "$2" "$(url "$1")" ||
            fetch_failed=yes
    elif has wget; then
        case $(wget --help 2>&1) in
        *content-on-error*) wget -q -S --content-on-error -U "$platform" -O "$2" "$(url "$1")" 2>"$2.head" || fetch_failed=yes ;;
        *) wget -q -S -U "$platform" -O "$2" "$(url "$1")" 2>"$2.head" || fetch_failed=yes ;;
        esac
    else
        fail 'neither curl nor wget was found. Install one of them.'
    fi
    if [ -n "$watcher" ]; then
        { kill "$watcher" && wait "$watcher"; } 2>/dev/null || true
        printf '\r\033[K' >&2
    fi
}

# watch FILE: shows the progress of a download on the terminal each second; before the first byte, the progress of the build.
watch() {
    seconds=0
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 1))
        received=$(($(wc -c <"$1") / 1024))
        read_head "$1.head"
        if [ "$received" -gt 0 ]; then
            progress="$received${length:+ of $((length / 1024))} kB"
        else
            progress=$(build_progress)
        fi
        # Without a running build, the log is that of an earlier build.
        case $progress in *' kB' | 'Being compiled: '*) ;; *) progress='' ;; esac
        printf '\r\033[K%s' "$(printf '%s\n' "$seconds s. $progress" | cut -c 1-78)" >&2
    done
}

# Prints the progress of the build, if one is running.
build_progress() {
    if has curl; then curl --silent --fail --user-agent "$platform" "$(url .log)"
    else wget -q -U "$platform" -O - "$(url .log)"
    fi 2>/dev/null || true
}

# read_head FILE: reads the status and headers of the last response in FILE. Redirects precede it.
read_head() {
    code='' wait='' reason='' length='' location='' vulnerabilities='' without_cgo=''
    while IFS=' :' read -r field value; do
        case $field in
        HTTP/*) code=${value%%[!0-9]*} wait='' reason='' length='' ;;
        [Cc]ontent-[Ll]ength) length=${value%%[!0-9]*} ;;
        [Rr]etry-[Aa]fter) wait=${value%%[!0-9]*} ;;
        [Cc]ontent-[Ll]ocation) location=${value%%[[:cntrl:]]*} ;;
        [Gg]ox-[Rr]eason) reason=${value%%[!a-z-]*} ;;
        [Gg]ox-[Ww]ithout-[Cc]go) without_cgo=${value%%[[:cntrl:]]*} ;;
        [Gg]ox-[Vv]ulnerabilities) vulnerabilities=${value%%[!0-9]*} database=${value##*db=} ;;
        esac
    done <"$1"
}

# request SUFFIX FILE: fetches, and retries (Retry-After) while the program waits or is built, or if a proxy responds with 503.
# Exits on any other error.
request() {
    tries=0
    while fetch "$1" "$2"; read_head "$2.head"; [ "$tries" -lt 90 ]; do
        case $code:$reason in
        503:still-building | 503:queue-full | 503:) ;;
        *) break ;;
        esac
        tries=$((tries + 1))
        say "The program is not ready yet${reason:+ ($reason)}. Retrying in ${wait:-10} seconds."
        sleep "${wait:-10}"
    done
    case $code in
    # 206: wget lost the connection and resumed the download.
    200 | 206) ;;
    *) report_error "$1" "$2" ;;
    esac
}

# report_error SUFFIX FILE: prints the server's error, which is a script that prints it, and exits. Some versions of wget do not
# save the content of an error.
report_error() {
    [ -n "$code" ] || fail "$server does not respond."
    read -r first <"$2" || first=
    # shellcheck source=/dev/null
    case $first in
    '#!/bin/sh') (. "$2") || true ;;
    *) say "The server responded with $code${reason:+ ($reason)}. For details, open $(url "$1") in a browser." ;;
    esac
    [ -z "$wait" ] || say "Try again in $wait seconds."
    fail "the server responded with an error."
}

# sha256 FILE: prints the SHA-256, or nothing if no tool for it is installed.
sha256() {
    if has sha256sum; then sha256sum "$1"
    elif has shasum; then shasum -a 256 "$1"
    elif has openssl; then openssl dgst -sha256 -r "$1"
    fi | cut -d ' ' -f 1
}

# Prints the directory to install to.
directory() {
    if [ -n "${GOX_BIN:-}" ]; then
        printf '%s\n' "$GOX_BIN"
        return
    fi
    case $platform in
    *Android) if [ -n "${PREFIX:-}" ]; then printf '%s\n' "$PREFIX/bin"; return; fi ;;
    esac
    [ -n "${HOME:-}" ] || fail 'HOME is not set. Set the directory, for example GOX_BIN=/usr/local/bin.'
    for bin in "$HOME/.local/bin" "$HOME/bin" /usr/local/bin; do
        case ":$PATH:" in
        *":$bin:"*) if [ -d "$bin" ] && [ -w "$bin" ]; then printf '%s\n' "$bin"; return; fi ;;
        esac
    done
    printf '%s\n' "$HOME/.local/bin"
}

main() {
    platform=$(platform)
    if [ -z "$file" ]; then
        case $platform in
        MINGW* | MSYS* | CYGWIN*) file=$name.exe ;;
        *) file=$name ;;
        esac
    fi
    bin=$(directory)
    mkdir -p "$bin" || fail "cannot create $bin."
    [ ! -d "$bin/$file" ] || fail "$bin/$file is a directory."
    # In the same directory, so that the last step is an atomic rename.
    new=$bin/.$file.$$
    trap 'rm -f "$new" "$new.head" "$new.sha256" "$new.sha256.head"' EXIT
    trap 'exit 1' HUP INT TERM

    # {{notices}}
    say "Requesting $name {{version}} for $platform${query:+ ($query)} from $server. If it is not built yet, it is compiled now."
    request '' "$new"
    program_failed=$fetch_failed exact=${location#*/-/bin/}
    # If the build failed after the response had started, this request reports the error.
    request .sha256 "$new.sha256"
    [ -z "$program_failed$fetch_failed" ] || fail 'the download was incomplete. Run this command again.'
    expected=$(cut -d ' ' -f 1 "$new.sha256")
    actual=$(sha256 "$new")
    [ -n "$expected" ] || fail "$server sent no SHA-256."
    case $actual in
    "$expected") say "The SHA-256 matches: $actual" ;;
    '') say 'The SHA-256 was not checked: install sha256sum, shasum or openssl to check it.' ;;
    *) fail "the SHA-256 is $actual, but the server sent $expected." ;;
    esac
    chmod 755 "$new"
    mv -f "$new" "$bin/$file" || fail "cannot write $bin/$file."
    say "Installed $bin/$file"
    [ -z "$without_cgo" ] || say "Compiled without cgo, so without a part of $without_cgo."
    case $vulnerabilities in
    '' | 0) ;;
    *) say "The program has known vulnerabilities: $vulnerabilities (database of ${database%%[!0-9-]*})."
        # The URL of the program with its platform.
        say "For details, see $server/-/bin/${exact%%\?*}.json${exact#"${exact%%\?*}"}" ;;
    esac
    case ":$PATH:" in
    *":$bin:"*) ;;
    *) say "$bin is not on your PATH. Add it: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

# The call is the last line, so that a truncated script does nothing.
main
