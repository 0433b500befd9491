//! The layers of the crate: below the handles, the top-level modules depend on each other without
//! cycles.
//!
//! The test reads the paths that begin with `crate::`, in groups too. A re-export (`pub use`) for
//! users is not a dependency.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules that may depend on each other: a handle's method names its operation, and an
/// operation names its handle.
const HANDLES: [&str; 12] = [
    "change_stream",
    "client",
    "collection",
    "conformance",
    "cursor",
    "database",
    "gridfs",
    "lib",
    "ops",
    "request",
    "session",
    "sync",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names after `crate::` in `code`, except in re-exports: one after each path, or the first
/// name of each path in a group.
fn named(code: &str) -> Vec<String> {
    let code: Vec<&str> =
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut paths = String::new();
    for (i, part) in code.split("pub use ").enumerate() {
        let rest = if i == 0 { part } else { part.split_once(';').map_or("", |(_, rest)| rest) };
        paths.push_str(rest);
    }
    paths.split("crate::").skip(1).flat_map(first_names).collect()
}

/// The name at the start of `path`, or the first name of each path in the group there.
fn first_names(path: &str) -> Vec<String> {
    let name = |path: &str| {
        let path = path.trim_start();
        path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        if depth == 0 && matches!(c, ',' | '}') {
            names.push(name(&group[start..i]));
            start = i + 1;
        }
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The other top-level modules that each top-level module uses, outside of tests.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        if path.iter().any(|part| part == "tests") {
            continue;
        }
        let module = path.iter().next().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let others = named(code).into_iter().filter(|other| *other != module);
        uses.entry(module.clone()).or_default().extend(others);
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    uses.values_mut().for_each(|others| others.retain(|other| modules.contains(other)));
    uses
}

#[test]
fn modules_below_the_handles_form_no_cycle() {
    let mut uses = uses();
    assert!(uses["exec"].contains("pool"), "nothing was read: {uses:?}");
    for handle in HANDLES {
        uses.remove(handle);
    }
    // Removes modules without remaining dependencies until there are none.
    while let Some(leaf) =
        uses.iter().find(|(_, others)| others.is_empty()).map(|(name, _)| name.clone())
    {
        uses.remove(&leaf);
        uses.values_mut().for_each(|others| {
            others.remove(&leaf);
        });
    }
    assert!(uses.is_empty(), "these modules use a handle, or form a cycle: {uses:#?}");
}

#[test]
fn re_exports_and_comments_are_no_dependencies() {
    assert_eq!(named("    let x = crate::pool::Pool; // crate::exec"), ["pool"]);
    assert!(named("pub use crate::ops::FindOptions;").is_empty());
    assert_eq!(named("pub use crate::{\n    ops::Find,\n};\nuse crate::pool::Pool;"), ["pool"]);
}

#[test]
fn paths_in_a_group_are_dependencies() {
    let code =
        "use crate::{\n    error::{Error, codes},\n    pool,\n    wire::Reply,\n};\nfn f() {}";
    assert_eq!(named(code), ["error", "pool", "wire"]);
    assert_eq!(named("use crate::{exec, rt::Runtime};"), ["exec", "rt"]);
}

/// A line of code without comments and strings.
fn bare(line: &str) -> String {
    line.split("//").next().unwrap_or_default().split('"').step_by(2).collect()
}

/// The integer literals in `code`, as written.
fn numbers(code: &str) -> Vec<String> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.chars().take_while(|c| c.is_ascii_digit() || *c == '_').collect())
        .collect()
}

/// The error codes of servers and the versions of the wire protocol have a name each, in one file.
#[test]
fn error_codes_and_wire_versions_are_numbers_in_one_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let codes = std::fs::read_to_string(root.join("error/codes.rs")).unwrap();
    let codes: BTreeSet<String> = codes
        .lines()
        .filter(|line| line.starts_with("pub(crate) const "))
        .flat_map(|line| numbers(line.split('=').nth(1).unwrap()))
        // Short and round numbers have too many other meanings.
        .filter(|number| number.len() > 2 && number != "100")
        .collect();
    assert!(codes.len() > 15, "only {codes:?} were read");
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let is_list = ["error/codes.rs", "wire_version.rs"].iter().any(|list| path == *list);
        if is_list || path.iter().any(|part| part == "tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines() {
            let code = bare(line);
            let is_comparison =
                ["==", "!=", "<", ">", "matches!", "Some("].iter().any(|sign| code.contains(sign));
            let is_about = |word: &str| code.contains(word) && is_comparison;
            let found = numbers(&code);
            let is_named = found.iter().any(|number| codes.contains(number))
                || is_about("wire_version") && !found.is_empty()
                || is_about("code()") && !found.is_empty();
            if is_named {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "give these a name in error/codes.rs or wire_version.rs: {wrong:#?}");
}
