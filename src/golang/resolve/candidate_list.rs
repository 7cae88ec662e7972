//! Lists the candidates of a target that exist, and downloads the likeliest one meanwhile.

use std::thread;

use crate::error::Error;
use crate::golang::resolve::Resolver;
use crate::golang::resolve::candidate::Candidate;
use crate::golang::resolve::majors::MAJORS;
use crate::golang::resolve::nested_commands::{MAJORS_AHEAD, guess_nested_modules};
use crate::parse::Version;

impl Resolver<'_> {
    /// Lists the candidates in the order in which they are tried: released modules first, the longest path first, and the newest major
    /// first.
    pub(super) fn list_candidates(&self) -> Result<Vec<Candidate>, Error> {
        let plain = Candidate::all_from_target(self.target);
        if let Some(major) = self.target.version().major() {
            let guesses = guess_nested_modules(self.target, &plain);
            let with_major = plain
                .iter()
                .chain(&guesses)
                .flat_map(|c| [c.at_major(major), (major > 1).then(|| c.clone())]);
            return Ok(with_major.flatten().collect());
        }
        // Without a version, or with a branch or a commit, the target means the newest major. One query lists the majors of these
        // modules and of nested ones. Meanwhile the likeliest module is downloaded.
        let likeliest = plain.iter().min_by_key(|c| c.module.matches('/').count());
        let version = self.target.version().query();
        let query = likeliest.map(|c| format!("{}@{version}", c.module));
        let root = likeliest.filter(|_| *self.target.version() == Version::Latest);
        let guesses = guess_nested_modules(self.target, root.map(std::slice::from_ref).unwrap_or_default());
        let (lookup, exact) = (self.lookup, self.is_exact());
        thread::scope(|scope| {
            let ahead = query.map(|query| scope.spawn(move || lookup.download_outline(&query, exact)));
            let majors = plain.iter().map(|c| (c.clone(), MAJORS));
            let guessed = guesses.into_iter().map(|c| (c, 1 + MAJORS_AHEAD));
            self.majors.borrow_mut().query(lookup, majors.chain(guessed))?;
            if let Some(first) = self.list_released(&plain).first()
                && Some(first) != likeliest
            {
                // The result is kept. It is tried first, and that reports its error.
                drop(self.download(&first.module));
            }
            // A panic is a fault of this program, and was printed. Then nothing is known ahead.
            if let Some(downloaded) = ahead.and_then(|thread| thread.join().ok()) {
                *self.ahead.borrow_mut() = likeliest.map(|c| (c.module.clone(), downloaded));
            }
            Ok(())
        })?;
        let released = self.list_released(&plain);
        // The proxy lists no version of a module without tags, so all plain candidates stay. Majors with only pre-releases come last.
        let majors = self.majors.borrow();
        let rest = majors.of_candidates(&plain).filter(|c| {
            let is_known = plain.contains(c) || majors.unreleased.contains(&c.module);
            is_known && !majors.released.contains(&c.module)
        });
        Ok(released.into_iter().chain(rest).collect())
    }

    /// The candidates that have a release, the longest path first, and the newest major first.
    fn list_released(&self, plain: &[Candidate]) -> Vec<Candidate> {
        let majors = self.majors.borrow();
        let all = majors.of_candidates(plain);
        all.filter(|c| majors.released.contains(&c.module)).collect()
    }
}
