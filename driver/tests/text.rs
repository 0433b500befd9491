//! The width of lines, the length of test names and `match` on bools, in all crates of the
//! workspace.

use std::path::{Path, PathBuf};

/// The maximum number of columns. `rustfmt.toml` has the same number, but rustfmt changes neither
/// comments nor strings nor macros.
const COLUMNS: usize = 100;

/// The maximum length of a test's name.
const NAME: usize = 60;

/// The Rust sources of the workspace, with their paths.
fn sources() -> Vec<(PathBuf, String)> {
    let sources = files("rs");
    assert!(sources.len() > 300, "only {} files were read", sources.len());
    sources
}

/// The pages in Markdown, with their paths.
fn pages() -> Vec<(PathBuf, String)> {
    let pages = files("md");
    assert!(pages.len() >= 6, "only {} files were read", pages.len());
    pages
}

/// The files of the workspace with this extension.
fn files(extension: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = ["benches", "driver", "examples", "threadwatch", "toro"];
    let mut folders: Vec<PathBuf> = crates.map(|name| root.join(name)).into();
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut paths: Vec<PathBuf> = entries(root);
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if !path.is_dir() {
                paths.push(path);
            } else if !path.ends_with("target") {
                folders.push(path);
            }
        }
    }
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    paths.iter().map(|path| (path.strip_prefix(root).unwrap().to_owned(), text(path))).collect()
}

/// Whether a line cannot be wrapped: a row of a table, a link, a path, or a single string, such as
/// the name of a conformance case.
fn is_one_piece(line: &str) -> bool {
    let line = line.trim();
    let comment = line.trim_start_matches(['/', '!']).trim_start();
    let quoted = line.trim_end_matches([',', ':']);
    comment.starts_with('|')
        || line.contains("://")
        || ['"', '`']
            .iter()
            .any(|quote| quoted.len() > 1 && quoted.starts_with(*quote) && quoted.ends_with(*quote))
}

#[test]
fn lines_have_at_most_100_columns() {
    let mut long = Vec::new();
    for (path, text) in sources().into_iter().chain(pages()) {
        for (n, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS && !is_one_piece(line) {
                long.push(format!("{}:{}: {line}", path.display(), n + 1));
            }
        }
    }
    assert!(long.is_empty(), "wrap these lines:\n{}", long.join("\n"));
}

#[test]
fn test_names_have_at_most_60_characters() {
    let mut long = Vec::new();
    for (path, text) in sources() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let Some(name) = name {
                let name = name.split(['(', '<']).next().unwrap_or_default();
                if is_test && name.len() > NAME {
                    long.push(format!("{}: {name}", path.display()));
                }
            }
            is_test = line.starts_with("#[test]")
                || line.starts_with("#[tokio::test")
                || is_test && line.starts_with("#[");
        }
    }
    assert!(long.is_empty(), "shorten these names:\n{}", long.join("\n"));
}

/// The numbers of the lines that begin an arm for a bool.
fn arms_for_bools(text: &str) -> Vec<usize> {
    let is_arm = |line: &str| {
        let rest = line.strip_prefix("true").or(line.strip_prefix("false")).unwrap_or_default();
        let rest = rest.trim_start();
        rest.starts_with("=>") || rest.starts_with("if ") && rest.contains("=>")
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_arm(line.trim()));
    lines.map(|(n, _)| n + 1).collect()
}

#[test]
fn bools_are_decided_with_if() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        found.extend(arms_for_bools(&text).iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(found.is_empty(), "write if and else instead of match:\n{}", found.join("\n"));
}

#[test]
fn arms_of_a_match_on_a_bool_are_found() {
    let code = "match ready {\n    true => 1,\n    false if late => 2,\n    false => 3,\n}";
    assert_eq!(arms_for_bools(code), [2, 3, 4]);
    assert!(arms_for_bools("if ready {\n    true\n} else {\n    false\n}").is_empty());
    assert!(arms_for_bools("(true, None) => 1,\nSome(true) => 2,\ntrue_value => 3,").is_empty());
}

#[test]
fn tables_links_and_quotes_are_not_wrapped() {
    assert!(is_one_piece("//! | a row | of a table |") && is_one_piece("/// <https://a.b>"));
    assert!(is_one_piece("    \"the name of a case\","));
    assert!(!is_one_piece("/// A sentence.") && !is_one_piece("let name = \"a\";"));
}
