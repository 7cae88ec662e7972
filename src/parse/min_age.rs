//! The minimum age of a version: `7d`, `36h`, `2w`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Printable;

/// How old a version must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MinAge {
    /// At most 65,535: the longest age is 1,256 years.
    count: u16,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Hours,
    Days,
    Weeks,
}

const UNITS: [(char, Unit, u64); 3] = [
    ('h', Unit::Hours, 3600),
    ('d', Unit::Days, 24 * 3600),
    ('w', Unit::Weeks, 7 * 24 * 3600),
];

impl MinAge {
    /// Returns the age as a duration.
    pub fn duration(self) -> Duration {
        let seconds = UNITS.iter().find(|(_, unit, _)| *unit == self.unit);
        Duration::from_secs(seconds.map_or(0, |(_, _, seconds)| *seconds) * u64::from(self.count))
    }
}

impl FromStr for MinAge {
    type Err = BadMinAge;

    fn from_str(typed: &str) -> Result<MinAge, BadMinAge> {
        let parse = |(letter, unit, _): &(char, Unit, u64)| {
            let digits = typed.strip_suffix(*letter)?;
            let is_number = !digits.starts_with('+');
            let count = digits.parse().ok().filter(|_| is_number)?;
            Some(MinAge { count, unit: *unit })
        };
        let parsed = UNITS.iter().find_map(parse);
        parsed.ok_or_else(|| BadMinAge(Printable::new(typed)))
    }
}

/// Prints the age as typed, without leading zeros.
impl fmt::Display for MinAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = UNITS.iter().find(|(_, unit, _)| *unit == self.unit);
        write!(f, "{}{}", self.count, letter.map_or('h', |(letter, ..)| *letter))
    }
}

/// The text is not an age.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a valid age")]
pub struct BadMinAge(Printable);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_a_number_of_hours_days_or_weeks() {
        for (typed, printed, hours) in [
            ("36h", "36h", 36),
            ("7d", "7d", 7 * 24),
            ("02w", "2w", 14 * 24),
            ("0d", "0d", 0),
            ("65535w", "65535w", 65_535 * 7 * 24),
        ] {
            let age: MinAge = typed.parse().expect(typed);
            assert_eq!(age.duration(), Duration::from_secs(hours * 3600), "{typed}");
            assert_eq!(age.to_string(), printed);
            assert_eq!(printed.parse(), Ok(age));
        }
        for typed in [
            "", "7", "d", "-7d", "+7d", "7 d", "7D", "7m", "1.5d", "65536d", "7dd", "٧d",
        ] {
            assert!(typed.parse::<MinAge>().is_err(), "{typed}");
        }
    }
}
