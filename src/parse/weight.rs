//! Parses lists with weights (RFC 9110 section 12.4.2): Accept and Accept-Encoding.

/// Returns the values of a list without their parameters, each with its weight in thousandths. Malformed elements are skipped.
pub fn parse_weights(list: &str) -> impl Iterator<Item = (&str, u16)> {
    list.split(',').filter_map(parse_element)
}

fn parse_element(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';');
    let value = parts.next()?.trim();
    let q = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = q.map_or(Some(1000), |(_, q)| parse_weight(q.trim()))?;
    Some((value, weight))
}

/// Parses a weight from 0 to 1, with at most three digits after the point.
fn parse_weight(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match (whole, format!("{fraction:0<3}").parse().ok()?) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_parsed() {
        for (list, expected) in [
            ("a", &[("a", 1000)][..]),
            ("a, b;q=0.5,c ; Q=0", &[("a", 1000), ("b", 500), ("c", 0)]),
            (
                "a;q=1.0, b;q=0.500, c;q=0.001",
                &[("a", 1000), ("b", 500), ("c", 1)],
            ),
            ("a;level=1;q=0.3, b;q=0.2;v=1", &[("a", 300), ("b", 200)]),
            (
                "a;q=2, b;q=1.001, c;q=0.1234, d;q=, e;q=.5, f;q=0.+1, g",
                &[("g", 1000)],
            ),
            ("a b;é", &[("a b", 1000)]),
            (";q=1,,;", &[("", 1000), ("", 1000), ("", 1000)]),
        ] {
            assert_eq!(parse_weights(list).collect::<Vec<_>>(), expected, "{list:?}");
        }
    }
}
