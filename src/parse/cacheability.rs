//! How long a response may be cached, and whether clients may share it: what besides the URL determines the program.

use super::{BuildOptions, GoVersion, RecipeName, Target};

/// What a URL leaves open, and so how a response may be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cacheability {
    /// Nothing: the URL always means the same bytes.
    Immutable,
    /// The version of the program or of Go, which changes with time.
    ByVersion,
    /// Also the platform, which is detected from the User-Agent.
    ByClient,
}

impl Cacheability {
    /// Determines what a URL leaves open. It resolves to `version` now, and `default_recipe` is the recipe of URLs without `recipe=`.
    pub fn of_url(
        target: &Target,
        options: &BuildOptions,
        version: &str,
        default_recipe: RecipeName,
    ) -> Cacheability {
        let uses_other_default = options.recipe.is_none() && default_recipe != RecipeName::Install;
        if options.os.is_none() || options.arch.is_none() {
            Cacheability::ByClient
        } else if options.go.is_none_or(GoVersion::is_series)
            || !target.version().is_pinned_to(version)
            || uses_other_default
        {
            Cacheability::ByVersion
        } else {
            Cacheability::Immutable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cacheability_depends_on_what_the_url_leaves_open() {
        for (path, query, cacheability) in [
            ("/o/r", "", Cacheability::ByClient),
            ("/o/r@v1.0.0", "os=linux", Cacheability::ByClient),
            ("/o/r@v1.0.0", "arch=arm64&go=1.26.8", Cacheability::ByClient),
            ("/o/r", "os=linux&arch=arm64&go=1.26.8", Cacheability::ByVersion),
            (
                "/o/r@v1.0",
                "os=linux&arch=arm64&go=1.26.8",
                Cacheability::ByVersion,
            ),
            ("/o/r@v1.0.0", "os=linux&arch=arm64", Cacheability::ByVersion),
            (
                "/o/r@v1.0.0",
                "os=linux&arch=arm64&go=1.26",
                Cacheability::ByVersion,
            ),
            (
                "/o/r@v1.0.0",
                "os=linux&arch=arm64&go=1.26.8",
                Cacheability::Immutable,
            ),
        ] {
            let target = Target::parse(path.as_bytes()).unwrap();
            let options = BuildOptions::parse(query).unwrap();
            let with_default =
                |default_recipe| Cacheability::of_url(&target, &options, "v1.0.0", default_recipe);
            assert_eq!(with_default(RecipeName::Install), cacheability, "{path}?{query}");
            assert_eq!(
                with_default(RecipeName::Release),
                cacheability.max(Cacheability::ByVersion),
                "{path}?{query}"
            );
        }
    }
}
