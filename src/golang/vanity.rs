//! Repositories whose modules have another name. A module proxy knows the GitHub name too, as a rule, and its go.mod says
//! the real one; a proxy that carries a selection may know only the real one, and asking for it first saves a question.

/// `OWNER/REPO` or `OWNER/*`, and the module's path, in which `*` is the repository's name.
const KNOWN: &str = include_str!("vanity.tsv");

/// The module's own path for a repository on github.com.
pub fn module_path(owner: &str, repo: &str) -> Option<String> {
    let rows = KNOWN.lines().filter_map(|line| line.split_once('\t'));
    let known = |(typed, path): (&str, &str)| {
        let (known_owner, known_repo) = typed.split_once('/')?;
        let same = known_owner == owner && (known_repo == "*" || known_repo == repo);
        same.then(|| path.replace('*', repo))
    };
    rows.filter_map(known).next()
}

#[cfg(test)]
mod tests {
    use super::module_path;

    #[test]
    fn a_row_names_a_repository_or_all_of_an_owner() {
        assert_eq!(
            module_path("FiloSottile", "age").as_deref(),
            Some("filippo.io/age")
        );
        assert_eq!(
            module_path("golang", "tools").as_deref(),
            Some("golang.org/x/tools")
        );
        assert_eq!(module_path("junegunn", "fzf"), None);
    }
}
