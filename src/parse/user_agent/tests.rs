//! Tests with a table of real User-Agents, and properties of any text.

use super::*;
use proptest::prelude::*;

/// Formats the result as in the table: a platform, or why none was detected.
fn result_of(user_agent: &str) -> String {
    match detect_platform(user_agent) {
        Ok(platform) => platform.to_string(),
        Err(UndetectedPlatform::NoPlatform) => "NoPlatform".to_owned(),
        Err(UndetectedPlatform::UnknownMachine { os }) => format!("UnknownMachine {os}"),
        Err(UndetectedPlatform::Ambiguous { candidates, .. }) => {
            let candidates: Vec<_> = candidates.iter().map(Platform::to_string).collect();
            format!("Ambiguous {}", candidates.join(" "))
        }
        Err(UndetectedPlatform::NotSupported(_)) => "NotSupported".to_owned(),
    }
}

#[test]
fn real_user_agents_are_detected() {
    let mut wrong = Vec::new();
    for (line, row) in (1..).zip(include_str!("../../../tests/data/user_agents.tsv").lines()) {
        if row.starts_with('#') || row == "user_agent\tanswer\tsource" {
            continue;
        }
        let columns: Vec<_> = row.split('\t').collect();
        let [user_agent, expected, source] = columns.as_slice() else {
            panic!("line {line} has {} columns, not 3", columns.len());
        };
        let got = result_of(user_agent);
        if got != *expected {
            wrong.push(format!(
                "line {line}: {user_agent:?} ({source})\n  expected {expected}\n  got      {got}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} rows are wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn long_user_agents_are_truncated_to_whole_words() {
    let padded = |bytes: usize| format!("Linux {} x86_64", "a".repeat(bytes));
    assert_eq!(
        result_of(&padded(MAX_BYTES - 13)),
        "linux/amd64",
        "exactly the maximum length"
    );
    for cut_off in 1..=8 {
        assert_eq!(
            result_of(&padded(MAX_BYTES - 13 + cut_off)),
            "UnknownMachine linux",
            "{cut_off} bytes cut off"
        );
    }
    assert_eq!(result_of(&"ö".repeat(300)), "NoPlatform");
    assert_eq!(
        result_of(&format!("Linux x86_64 {}", "ö".repeat(300))),
        "linux/amd64"
    );
}

#[test]
fn uname_options_show_the_platform() {
    for (user_agent, options) in [
        ("curl/8.5.0", Some("-sm")),
        ("Linux unknown", Some("-sm")),
        ("NetBSD evbarm", Some("-smp")),
        ("FreeBSD arm", Some("-smp")),
        ("SunOS i86pc", Some("-smv")),
        ("Linux mips", None),
        ("Linux mips64", None),
    ] {
        assert_eq!(
            detect_platform(user_agent).expect_err(user_agent).uname_options(),
            options
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(user_agent: String) {
        result_of(&user_agent);
    }

    #[test]
    fn any_uname_is_parsed_without_panic(words in proptest::collection::vec("Linux|Darwin|SunOS|Android|unknown|arm|mips|i386|x86_64|sparc|5\\.11|\\(|;|[^ ]{0,3}", 0..8)) {
        result_of(&words.join(" "));
    }

    /// A host name may equal the name of a machine.
    #[test]
    fn host_name_is_ignored(host in "arm64|i686|windows|android|illumos|mips|sparc|[a-z0-9-]{1,12}") {
        let user_agent = format!("Linux {host} 6.1.0-13-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29) x86_64 GNU/Linux");
        prop_assert_eq!(result_of(&user_agent), "linux/amd64");
    }
}
