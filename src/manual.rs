//! `gox-server --man`: the manual page in roff, from the descriptions of the command line and of the settings.

use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};

use crate::config::SETTINGS;

const DESCRIPTION: &str = "gox-server compiles Go programs on request: curl HOST/OWNER/REPO. A program has the bytes of \"go install\", and \
    each response has the command that makes the same bytes. How gox-server is started decides what it is.";

/// Options that clap adds.
const COMMON_OPTIONS: [(&str, &str); 2] = [
    ("-h, --help", "Print a summary; also of one command."),
    ("-V, --version", "Print the version."),
];

const MODES: [(&str, &str); 4] = [
    (
        "CGI",
        "GATEWAY_INTERFACE is set: reads one request from the environment (RFC 3875) and writes the response to stdout.",
    ),
    (
        "FastCGI",
        "Standard input is a listening socket, as systemd, lighttpd, spawn-fcgi and mod_fcgid start it.",
    ),
    (
        "HTTP/1.1",
        "No command: listens on $PORT or 127.0.0.1:3000, and starts gox-server as a CGI program for a request.",
    ),
    ("Command line", "One of the commands below."),
];

const FILES: [(&str, &str); 5] = [
    (
        "/etc/gox-server.env",
        "The settings, one NAME=value a line, for gox-server.service.",
    ),
    (
        "/run/gox-server.sock",
        "The FastCGI socket of gox-server.socket, for the web server.",
    ),
    (
        "/var/cache/gox-server",
        "GOX_DIR of the service: programs, compile cache, downloaded versions of Go. Everything in it can be made again.",
    ),
    (
        "GOX_DIR/builders.log",
        "The output of builds, with the reasons of failures.",
    ),
    (
        "/usr/share/doc/gox-server",
        "The documentation, and configurations for web servers in examples/.",
    ),
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Success. verify: the rebuilt program is identical."),
    (
        "1",
        "Failure: the reason is on stderr. verify: the rebuilt program differs.",
    ),
    (
        "2",
        "Invalid arguments. verify: the comparison could not be made.",
    ),
];

const EXAMPLES: [(&str, &str); 6] = [
    ("PORT=8080 gox-server", "Serve HTTP on port 8080."),
    (
        "curl -A \"$(uname -sm)\" 127.0.0.1:8080/junegunn/fzf > fzf",
        "Get a program for this machine.",
    ),
    (
        "gox-server build junegunn/fzf@v0.65.2 -o fzf",
        "Build it without a server.",
    ),
    (
        "gox-server build 'junegunn/fzf?os=windows&arch=arm64'",
        "Build it for another platform.",
    ),
    ("gox-server verify ./fzf", "Build it again and compare."),
    (
        "systemctl enable --now gox-server.socket",
        "Serve FastCGI for a web server; conf/ or examples/ has its configuration.",
    ),
];

/// Renders the page for this command line.
pub fn render(command: &Command) -> String {
    let mut roff = Roff::new();
    let source = format!("gox-server {}", command.get_version().unwrap_or_default());
    // The third argument is the date. An empty one needs quotes, since the crate quotes only spaces.
    roff.control("TH", ["GOX-SERVER", "1", "\"\"", &source, "gox-server manual"]);
    // Lines end between words: no names are hyphenated, and no gaps fill a line.
    roff.control("nh", []).control("ad", ["l"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!(
        "gox-server - {}",
        command.get_about().map(ToString::to_string).unwrap_or_default()
    ))]);
    roff.control("SH", ["SYNOPSIS"]);
    for arguments in ["[COMMAND]", "--man | --completions SHELL | --help | --version"] {
        roff.text([bold("gox-server"), roman(format!(" {arguments}"))]);
        roff.control("br", []);
    }
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(DESCRIPTION)]);
    definitions(&mut roff, "MODES", MODES.map(|(mode, text)| (bold(mode), text)));
    let options = command
        .get_arguments()
        .map(|option| (name(option), describe(option.get_help())));
    let options = options.chain(COMMON_OPTIONS.map(|(option, text)| (option.to_owned(), text.to_owned())));
    definitions(
        &mut roff,
        "OPTIONS",
        options.map(|(option, text)| (bold(option), text)),
    );
    commands(&mut roff, command);
    let settings = SETTINGS.iter().map(|setting| {
        let text = format!(
            "{}. Default: {}.",
            capitalize(setting.description),
            setting.default
        );
        (bold(setting.name), text)
    });
    definitions(&mut roff, "ENVIRONMENT", settings);
    definitions(&mut roff, "FILES", FILES.map(|(file, text)| (italic(file), text)));
    definitions(
        &mut roff,
        "EXIT STATUS",
        EXIT_STATUS.map(|(status, text)| (bold(status), text)),
    );
    definitions(
        &mut roff,
        "EXAMPLES",
        EXAMPLES.map(|(line, text)| (bold(line), text)),
    );
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("go"),
        roman("(1), "),
        bold("systemd.socket"),
        roman("(5), "),
        bold("curl"),
        roman("(1)"),
    ]);
    // groff's input is ASCII, and its `~` a raised accent.
    roff.render().replace('…', "...").replace('~', r"\(ti")
}

/// A section of terms, each with its text.
fn definitions(roff: &mut Roff, title: &str, entries: impl IntoIterator<Item = (Inline, impl Into<String>)>) {
    roff.control("SH", [title]);
    for (term, text) in entries {
        roff.control("TP", []);
        roff.text([term]);
        roff.text(inlines(&text.into()));
    }
}

/// Text with its code, such as `latest`, in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| if index % 2 == 0 { roman(part) } else { bold(part) })
        .collect()
}

/// The commands with their arguments.
fn commands(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["COMMANDS"]);
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
    {
        let usage = subcommand
            .clone()
            .disable_help_flag(true)
            .render_usage()
            .to_string();
        let usage = usage.trim_start_matches("Usage: ").replace(['<', '>'], "");
        // The arguments of a control line are not escaped.
        let heading = format!("{} {usage}", command.get_name()).replace('-', r"\-");
        roff.control("SS", [heading.as_str()]);
        roff.text([roman(describe(subcommand.get_about()))]);
        for argument in subcommand.get_arguments() {
            roff.control("TP", []);
            roff.text([bold(name(argument))]);
            roff.text([roman(describe(argument.get_help()))]);
        }
    }
}

/// An argument as it is typed: `-o FILE`, `--json`, `TARGET`.
fn name(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().join(" ");
    let takes_value = argument.get_action().takes_values();
    let option = match (argument.get_short(), argument.get_long()) {
        (Some(short), _) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => return value,
    };
    if takes_value {
        format!("{option} {value}")
    } else {
        option
    }
}

fn describe(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    format!("{}.", capitalize(&text).trim_end_matches('.'))
}

/// Capitalizes a word, but no value such as `unix:/PATH`.
fn capitalize(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_word = first
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || b"-,".contains(&byte));
    let mut letters = text.chars();
    match letters.next().filter(|_| is_word) {
        Some(letter) => letter.to_uppercase().chain(letters).collect(),
        None => text.to_owned(),
    }
}
