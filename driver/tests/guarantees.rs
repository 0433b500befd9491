//! Checks that the tests in GUARANTEES.md exist, and that each guarantee has at least one.

use std::path::Path;

/// The guarantees of the page, each with its tests.
fn promises(page: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let lists = page.split("\n- ").skip(1);
    lists
        .map(|promise| promise.split("\n## ").next().unwrap())
        .map(|promise| {
            let quoted = promise.split('`').skip(1).step_by(2);
            (promise.lines().next().unwrap(), quoted.filter_map(named).collect())
        })
        .collect()
}

/// The file and the name of `path.rs::name`.
fn named(quoted: &str) -> Option<(&str, &str)> {
    quoted.split_once("::").filter(|(path, _)| path.ends_with(".rs"))
}

/// Whether `code` has a test of this name. Programs without a test harness list their tests as
/// strings.
fn has_test(code: &str, name: &str) -> bool {
    ["(", "<"].iter().any(|end| code.contains(&format!("fn {name}{end}")))
        || code.contains(&format!("\"{name}\""))
}

#[test]
fn every_guarantee_names_existing_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("GUARANTEES.md")).unwrap();
    let promises = promises(&page);
    assert!(promises.len() > 50, "only {} promises were read", promises.len());
    let mut wrong = Vec::new();
    for (promise, tests) in promises {
        if tests.is_empty() {
            wrong.push(format!("no test is named for: {promise}"));
        }
        for (path, name) in tests {
            match std::fs::read_to_string(root.join(path)) {
                Ok(code) if has_test(&code, name) => {}
                Ok(_) => wrong.push(format!("{path} has no test {name}")),
                Err(error) => wrong.push(format!("{path}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "correct GUARANTEES.md:\n{}", wrong.join("\n"));
}

#[test]
fn tests_are_found_by_their_whole_name() {
    let code = "fn one_more() {}\nfn generic<F>() {}\n(\"listed\", run)";
    assert!(has_test(code, "one_more") && has_test(code, "generic") && has_test(code, "listed"));
    assert!(!has_test(code, "one"));
    let promise = "# Page\n\n- A promise.\n  `a/b.rs::c`\n\n## Next\n";
    assert_eq!(promises(promise), [("A promise.", vec![("a/b.rs", "c")])]);
}
