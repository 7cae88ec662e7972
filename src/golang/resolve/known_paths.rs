//! Known vanity module paths of GitHub repositories. Most module proxies also serve the GitHub path, and go.mod then declares the
//! vanity path. A proxy with a selection of modules may serve the vanity path only. It is tried first; if it has a release, the majors of
//! the GitHub path are not queried.

/// Rows of `OWNER/REPO` or `OWNER/*`, a tab, and the module path, in which `*` stands for the repository's name.
const KNOWN: &str = include_str!("known_paths.tsv");

/// Finds the module path of a repository on github.com.
pub fn find_module_path(owner: &str, repo: &str) -> Option<String> {
    let rows = KNOWN.lines().filter_map(|line| line.split_once('\t'));
    let known = |(typed, path): (&str, &str)| {
        let (known_owner, known_repo) = typed.split_once('/')?;
        let is_match = known_owner == owner && (known_repo == "*" || known_repo == repo);
        is_match.then(|| path.replace('*', repo))
    };
    rows.filter_map(known).next()
}

#[cfg(test)]
mod tests {
    use super::find_module_path;

    #[test]
    fn row_matches_a_repository_or_all_of_an_owner() {
        assert_eq!(
            find_module_path("FiloSottile", "age").as_deref(),
            Some("filippo.io/age")
        );
        assert_eq!(
            find_module_path("golang", "tools").as_deref(),
            Some("golang.org/x/tools")
        );
        assert_eq!(find_module_path("junegunn", "fzf"), None);
    }
}
