//! Lists the candidates of a target that exist, and downloads the likeliest ones meanwhile.

use std::thread;

use crate::error::Error;
use crate::golang::resolve::Resolver;
use crate::golang::resolve::candidate::Candidate;
use crate::golang::resolve::majors::MAJORS;
use crate::golang::resolve::nested_commands::{count_nested_majors, guess_nested_modules};
use crate::parse::Version;

impl Resolver<'_> {
    /// Lists the candidates in the order in which they are tried: released modules first, the longest path first, and the newest major
    /// first.
    pub(super) fn list_candidates(&self) -> Result<Vec<Candidate>, Error> {
        let known = Candidate::known_from_target(self.target);
        let typed = Candidate::typed_from_target(self.target);
        let plain = [known.as_slice(), &typed].concat();
        if let Some(major) = self.target.version().major() {
            let guesses = guess_nested_modules(self.target, &plain);
            let with_major = plain
                .iter()
                .chain(&guesses)
                .flat_map(|c| [c.at_major(major), (major > 1).then(|| c.clone())]);
            return Ok(with_major.flatten().collect());
        }
        // Without a version, or with a branch or a commit, the target means the newest major.
        self.query_majors(&known)?;
        if self.majors.borrow().released_of(&known).next().is_none() {
            self.query_majors(&typed)?;
        }
        // The proxy lists no version of a module without tags, so all plain candidates stay. Majors with only pre-releases come last.
        let majors = self.majors.borrow();
        let rest = majors.of_candidates(&plain).filter(|c| {
            let is_known = plain.contains(c) || majors.unreleased.contains(&c.module);
            is_known && !majors.released.contains(&c.module)
        });
        Ok(majors.released_of(&plain).chain(rest).collect())
    }

    /// Queries the majors of these modules and of nested ones. Meanwhile the likeliest module is downloaded, and then its newest major.
    fn query_majors(&self, plain: &[Candidate]) -> Result<(), Error> {
        let likeliest = plain.iter().min_by_key(|c| c.module.matches('/').count());
        let root = likeliest.filter(|_| *self.target.version() == Version::Latest);
        let guesses = guess_nested_modules(self.target, root.map(std::slice::from_ref).unwrap_or_default());
        let guessed = |outer: &Candidate| {
            let count = count_nested_majors(outer);
            guesses.iter().map(move |c| (c.clone(), count))
        };
        let (lookup, exact) = (self.lookup, self.is_exact());
        thread::scope(|scope| {
            let download = |candidate: &Candidate| {
                let query = format!("{}@{}", candidate.module, self.target.version().query());
                let thread = scope.spawn(move || lookup.download_outline(&query, exact));
                (candidate.module.clone(), thread)
            };
            let first = likeliest.map(download);
            let mut majors = self.majors.borrow_mut();
            let listed = plain.iter().map(|c| (c.clone(), MAJORS));
            majors.query(lookup, listed.chain(likeliest.into_iter().flat_map(guessed)))?;
            let newer = majors.released_of(plain).next().filter(|c| Some(c) != likeliest);
            let mut threads: Vec<_> = first.into_iter().collect();
            if let Some(newer) = newer {
                threads.push(download(&newer));
                majors.query(lookup, guessed(&newer))?;
            }
            // A panic is a fault of this program, and was printed. Then the module is downloaded when it is needed.
            let joined = threads
                .into_iter()
                .filter_map(|(module, thread)| Some((module, thread.join().ok()?)));
            self.ahead.borrow_mut().extend(joined);
            Ok(())
        })
    }
}
