//! The table of real User-Agents, and what holds for any text.

use super::*;
use proptest::prelude::*;

/// The answer of a row: a platform, or why there is none.
fn answer(user_agent: &str) -> String {
    match platform(user_agent) {
        Ok(platform) => platform.to_string(),
        Err(Untold::NoPlatform) => "NoPlatform".to_owned(),
        Err(Untold::UnknownMachine { os }) => format!("UnknownMachine {os}"),
        Err(Untold::Ambiguous { candidates, .. }) => {
            let candidates: Vec<_> = candidates.iter().map(Platform::to_string).collect();
            format!("Ambiguous {}", candidates.join(" "))
        }
        Err(Untold::NotSupported(_)) => "NotSupported".to_owned(),
    }
}

#[test]
fn every_user_agent_seen_gets_its_answer() {
    let mut wrong = Vec::new();
    for (line, row) in (1..).zip(include_str!("../../../tests/data/user_agents.tsv").lines()) {
        if row.starts_with('#') || row == "user_agent\tanswer\tsource" {
            continue;
        }
        let columns: Vec<_> = row.split('\t').collect();
        let [user_agent, expected, source] = columns.as_slice() else {
            panic!("line {line} has {} columns, not 3", columns.len());
        };
        let got = answer(user_agent);
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
fn what_is_long_is_read_in_whole_words() {
    let padded = |bytes: usize| format!("Linux {} x86_64", "a".repeat(bytes));
    assert_eq!(
        answer(&padded(MAX_BYTES - 13)),
        "linux/amd64",
        "exactly as long as is looked at"
    );
    for cut_off in 1..=8 {
        assert_eq!(
            answer(&padded(MAX_BYTES - 13 + cut_off)),
            "UnknownMachine linux",
            "{cut_off} bytes cut off"
        );
    }
    assert_eq!(answer(&"ö".repeat(300)), "NoPlatform");
    assert_eq!(
        answer(&format!("Linux x86_64 {}", "ö".repeat(300))),
        "linux/amd64"
    );
}

#[test]
fn a_uname_is_asked_for_what_it_can_tell() {
    for (user_agent, options) in [
        ("curl/8.5.0", Some("-sm")),
        ("Linux unknown", Some("-sm")),
        ("NetBSD evbarm", Some("-smp")),
        ("FreeBSD arm", Some("-smp")),
        ("SunOS i86pc", Some("-smv")),
        ("Linux mips", None),
        ("Linux mips64", None),
    ] {
        assert_eq!(platform(user_agent).expect_err(user_agent).options(), options);
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(user_agent: String) {
        answer(&user_agent);
    }

    #[test]
    fn any_uname_is_answered(words in proptest::collection::vec("Linux|Darwin|SunOS|Android|unknown|arm|mips|i386|x86_64|sparc|5\\.11|\\(|;|[^ ]{0,3}", 0..8)) {
        answer(&words.join(" "));
    }

    /// A host may be called like a machine.
    #[test]
    fn the_name_of_the_host_tells_nothing(host in "arm64|i686|windows|android|illumos|mips|sparc|[a-z0-9-]{1,12}") {
        let user_agent = format!("Linux {host} 6.1.0-13-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29) x86_64 GNU/Linux");
        prop_assert_eq!(answer(&user_agent), "linux/amd64");
    }
}
