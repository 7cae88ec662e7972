//! Which requests `go` sends to a module proxy after a response.
//!
//! Sources: the GOPROXY protocol and the checksum database (Go Modules Reference), and golang.org/x/mod/sumdb/tlog.

use serde::Deserialize;

use crate::golang::cache_layout::escape;

/// The used field of a version's `.info`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionInfo {
    version: String,
}

/// The paths of the first requests for `query`, MODULE@VERSION. `sumdb` is the name of the checksum database; empty if `go` does not ask
/// this proxy for it.
pub(super) fn first(query: &str, sumdb: &str) -> Vec<String> {
    let Some((module, version)) = query.split_once('@') else {
        return Vec::new();
    };
    let module = escape(module);
    match version {
        "latest" => vec![in_url(&format!("{module}/@v/list"))],
        exact if parse(exact).is_some() => of_version(&module, exact, sumdb),
        // Only the proxy knows the version of a branch or a commit.
        _ => Vec::new(),
    }
}

/// `go` writes the `!` of an escaped path as `%21`, except in requests to the checksum database.
fn in_url(path: &str) -> String {
    path.replace('!', "%21")
}

/// Whether the response is a small text that several `go` request, or that [`after`] reads.
pub(super) fn is_text(path: &str) -> bool {
    const ENDS: [&str; 4] = ["/@v/list", "/@latest", ".info", "/supported"];
    ENDS.iter().any(|end| path.ends_with(end)) || is_lookup(path)
}

/// Where the module cache has this response, if it keeps such. Its `list` has the downloaded versions only.
pub(super) fn path_in_cache(path: &str) -> Option<String> {
    (!path.ends_with("/@v/list")).then(|| path.replace("%21", "!"))
}

/// The paths of the requests after this response.
pub(super) fn after(path: &str, body: &str, sumdb: &str) -> Vec<String> {
    if is_lookup(path) {
        let tiles = tiles_of_record(body).unwrap_or_default();
        return tiles.iter().map(|tile| format!("sumdb/{sumdb}/{tile}")).collect();
    }
    let Some((module, file)) = path.split_once("/@") else {
        return Vec::new();
    };
    let module = module.replace("%21", "!");
    let versions = match file {
        "v/list" => newest_versions(body),
        _ => latest_version(body).into_iter().collect(),
    };
    if file == "v/list" && versions.is_empty() {
        // A module without tags.
        return vec![in_url(&format!("{module}/@latest"))];
    }
    let of_version = |version: &String| of_version(&module, version, sumdb);
    versions.iter().flat_map(of_version).collect()
}

fn is_lookup(path: &str) -> bool {
    path.starts_with("sumdb/") && path.contains("/lookup/")
}

/// The files of a version, and its record in the checksum database. `module` is escaped.
fn of_version(module: &str, version: &str, sumdb: &str) -> Vec<String> {
    let version = escape(version);
    let file = |extension| in_url(&format!("{module}/@v/{version}.{extension}"));
    let mut paths = ["info", "mod", "zip"].map(file).to_vec();
    if !sumdb.is_empty() {
        paths.push(format!("sumdb/{sumdb}/supported"));
        paths.push(format!("sumdb/{sumdb}/lookup/{module}@{version}"));
    }
    paths
}

/// The versions that `latest` may mean: the highest release or else pre-release, and the highest `+incompatible` one, which `go` takes if
/// the first has no go.mod.
fn newest_versions(list: &str) -> Vec<String> {
    let versions = list.lines().filter_map(|line| {
        let version = line.split_whitespace().next()?;
        let parsed = parse(version)?;
        Some((parsed.pre.is_empty(), parsed, version))
    });
    let (incompatible, compatible): (Vec<_>, Vec<_>) =
        versions.partition(|(_, _, version)| version.ends_with("+incompatible"));
    let newest = [compatible, incompatible]
        .into_iter()
        .filter_map(|versions| versions.into_iter().max());
    newest.map(|(_, _, version)| version.to_owned()).collect()
}

/// The version in a response to `@latest`.
fn latest_version(info: &str) -> Option<String> {
    let VersionInfo { version } = serde_json::from_str(info).ok()?;
    parse(&version).is_some().then_some(version)
}

fn parse(version: &str) -> Option<semver::Version> {
    semver::Version::parse(version.strip_prefix('v')?).ok()
}

/// The tiles that prove a record of the checksum database. `None` for another format.
fn tiles_of_record(lookup: &str) -> Option<Vec<String>> {
    let id = lookup.lines().next()?.parse().ok()?;
    let (_, tree) = lookup.split_once("\ngo.sum database tree\n")?;
    let size = tree.lines().next()?.parse().ok()?;
    Some(tiles(id, size))
}

/// The tiles that prove record `id` of a tree of `size` records (tlog.TileHashReader): those of the tree's right edge, and those above
/// the record. A tile has 256 hashes of its level; the last one of a level can have fewer.
fn tiles(id: u64, size: u64) -> Vec<String> {
    let mut paths = Vec::new();
    // Up to the level of which one tile has all hashes.
    for level in (0..8).take_while(|level| size >> (8 * level) > 0) {
        let tile_of = |record: u64| record.checked_shr(8 * (level + 1)).unwrap_or(0);
        let width = (size >> (8 * level)) % 256;
        if width > 0 {
            paths.push(format!("{}.p/{width}", tile_path(level, tile_of(size))));
        }
        if tile_of(id) < tile_of(size) {
            paths.push(tile_path(level, tile_of(id)));
        }
    }
    paths
}

/// `tile/8/LEVEL/x001/234` for the tile 1234.
fn tile_path(level: u32, tile: u64) -> String {
    let mut path = format!("{:03}", tile % 1000);
    let mut rest = tile / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    format!("tile/8/{level}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKUP: &str = "sumdb/sum.golang.org/lookup/a.b/!c@v1.2.0";

    #[test]
    fn download_starts_with_the_list_or_with_the_version() {
        assert_eq!(first("a.b/C@latest", "sum.golang.org"), ["a.b/%21c/@v/list"]);
        let exact = [
            "a.b/%21c/@v/v1.0.0-%21r%21c.info",
            "a.b/%21c/@v/v1.0.0-%21r%21c.mod",
            "a.b/%21c/@v/v1.0.0-%21r%21c.zip",
            "sumdb/sum.golang.org/supported",
            "sumdb/sum.golang.org/lookup/a.b/!c@v1.0.0-!r!c",
        ];
        assert_eq!(first("a.b/C@v1.0.0-RC", "sum.golang.org"), exact);
        assert_eq!(first("a.b/C@v1.0.0-RC", ""), exact[..3]);
        assert!(first("a.b/C@main", "").is_empty());
        assert_eq!(path_in_cache(exact[0]).unwrap(), "a.b/!c/@v/v1.0.0-!r!c.info");
    }

    #[test]
    fn list_is_followed_by_the_newest_versions() {
        for (list, versions) in [
            ("v1.2.0\nv1.10.0\nv1.9.0\nv2.0.0-rc.1\n", ["v1.10.0"].as_slice()),
            (
                "v0.1.0-beta\nv0.1.0-alpha 2020-01-02T03:04:05Z\nx\n",
                &["v0.1.0-beta"],
            ),
            (
                "v1.5.6\nv2.5.2+incompatible\nv2.5.10+incompatible\n",
                &["v1.5.6", "v2.5.10+incompatible"],
            ),
        ] {
            let paths: Vec<String> = versions
                .iter()
                .flat_map(|v| of_version("a.b/!c", v, ""))
                .collect();
            assert_eq!(after("a.b/%21c/@v/list", list, ""), paths, "{list}");
        }
        assert_eq!(after("a.b/%21c/@v/list", "", ""), ["a.b/%21c/@latest"]);
        let info = r#"{"Version":"v0.0.0-20250102030405-abcdefabcdef"}"#;
        assert_eq!(after("a.b/%21c/@latest", info, "").len(), 3);
        for other in ["<html>", r#"{"Version":"../../x"}"#] {
            assert!(after("a.b/%21c/@latest", other, "").is_empty(), "{other}");
        }
    }

    /// The record and tree of github.com/securego/gosec of 2020 in sum.golang.org, and the tiles that Go requested.
    #[test]
    fn record_is_followed_by_its_tiles() {
        let size = 202_122 * 256 + 222;
        let record = format!(
            "{}\na.b/C v1.2.0 h1:x=\n\ngo.sum database tree\n{size}\nx=\n\n— x\n",
            3985 * 256 + 7
        );
        let mut tiles = after(LOOKUP, &record, "sum.golang.org");
        tiles.sort();
        let tile = |tile: &str| format!("sumdb/sum.golang.org/tile/8/{tile}");
        let expected = [
            "0/x003/985",
            "0/x202/122.p/222",
            "1/015",
            "1/789.p/138",
            "2/000",
            "2/003.p/21",
            "3/000.p/3",
        ];
        assert_eq!(tiles, expected.map(tile));
        assert!(after(LOOKUP, "not found", "sum.golang.org").is_empty());
    }

    /// Trees without a full tile, with full tiles only, with both, and of the largest size.
    #[test]
    fn tiles_of_any_tree_can_be_named() {
        for (id, size, paths) in [
            (0, 0, [].as_slice()),
            (0, 1, &["tile/8/0/000.p/1"]),
            (0, 256, &["tile/8/0/000", "tile/8/1/000.p/1"]),
            (
                255,
                257,
                &["tile/8/0/001.p/1", "tile/8/0/000", "tile/8/1/000.p/1"],
            ),
        ] {
            assert_eq!(tiles(id, size), paths, "{id} {size}");
        }
        assert!(!tiles(u64::MAX, u64::MAX).is_empty());
    }
}
