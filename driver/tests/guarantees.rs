//! Checks that the tests in GUARANTEES.md exist, and that each guarantee has at least one. Checks
//! that the files in ARCHITECTURE.md exist, and that it names each module of the driver.

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

/// Whether `code` runs a test of this name: a function with a test attribute, an entry of
/// `on_both_apis!`, or an entry of a program's own list of tests.
fn has_test(code: &str, name: &str) -> bool {
    is_attributed(code, name) || is_on_both_apis(code, name) || is_listed(code, name)
}

/// Whether the function has an attribute such as `#[test]` or `#[tokio::test(..)]`.
fn is_attributed(code: &str, name: &str) -> bool {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let starts = ["(", "<"].map(|end| format!("fn {name}{end}"));
    let functions = (0..lines.len()).filter(|&i| starts.iter().any(|s| lines[i].contains(s)));
    functions.into_iter().any(|i| {
        let above = lines[..i].iter().rev();
        let mut above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.any(|line| {
            let path = line.trim_start_matches("#[").split(['(', ']']).next().unwrap_or_default();
            path == "test" || path.ends_with("::test")
        })
    })
}

/// Whether a list `on_both_apis! { .. }` has the name.
fn is_on_both_apis(code: &str, name: &str) -> bool {
    code.split("on_both_apis! {").skip(1).any(|list| {
        let list = list.split('}').next().unwrap_or_default();
        list.split([';', ' ', '\n']).any(|entry| entry == name)
    })
}

/// Whether a list of a program without a test harness has the name, as `("name", function)` or
/// `name: "name"`.
fn is_listed(code: &str, name: &str) -> bool {
    code.contains(&format!("(\"{name}\", ")) || code.contains(&format!("name: \"{name}\""))
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

/// The paths in a page: the quoted ones, and the folders in its diagrams.
fn paths(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        [".rs", ".md", "/"].iter().any(|end| word.ends_with(end)) && !word.contains([' ', '<'])
    };
    let drawn = page.lines().filter(|line| line.trim_start().starts_with('│'));
    let drawn = drawn.flat_map(|line| line.split([' ', ':'])).filter(|word| word.ends_with('/'));
    quoted.filter(is_path).chain(drawn).collect()
}

/// Whether the path begins at the root of the repository or in the sources of a crate.
fn exists(root: &Path, path: &str) -> bool {
    ["", "driver/src", "toro/src", "threadwatch/src"]
        .iter()
        .any(|from| root.join(from).join(path).exists())
}

#[test]
fn paths_in_the_architecture_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let paths = paths(&page);
    assert!(paths.len() > 60, "only {paths:?} were read");
    let wrong: Vec<&&str> = paths.iter().filter(|path| !exists(root, path)).collect();
    assert!(wrong.is_empty(), "correct these paths in ARCHITECTURE.md: {wrong:?}");
}

#[test]
fn architecture_names_each_module_of_the_driver() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let words: Vec<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let modules = std::fs::read_dir(root.join("driver/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let missing: Vec<String> =
        modules.filter(|name| name != "lib" && !words.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "name these modules in ARCHITECTURE.md: {missing:?}");
}

#[test]
fn quoted_files_and_drawn_folders_are_paths() {
    let page = "    │ pool/  core/: x │\n\n`exec/retry.rs` (`select`), `ops/`, `fn x()`, a/b/";
    assert_eq!(paths(page), ["exec/retry.rs", "ops/", "pool/", "core/"]);
}

#[test]
fn tests_are_found_by_their_whole_name() {
    let code = "\
        #[test]\n// Why.\nfn one_more() {}\n\
        #[tokio::test(flavor = \"multi_thread\")]\nasync fn on_tokio() {}\n\
        on_both_apis! {\n    generic\n    ended;\n}\nfn generic<F>() {}\n\
        (\"listed\", run)\nRole { name: \"played\", play }";
    for name in ["one_more", "on_tokio", "generic", "ended", "listed", "played"] {
        assert!(has_test(code, name), "{name}");
    }
    assert!(!has_test(code, "one"));
}

#[test]
fn functions_that_do_not_run_are_no_tests() {
    let code = "#[test]\nfn test() {}\n\nfn helper() {}\n\nfn generic<F>() {}\n\
        #[expect(test)]\nfn other() {}\nlet text = \"quoted\";";
    for name in ["helper", "generic", "other", "quoted"] {
        assert!(!has_test(code, name), "{name}");
    }
}

#[test]
fn promises_are_read_with_their_tests() {
    let promise = "# Page\n\n- A promise.\n  `a/b.rs::c`\n\n## Next\n";
    assert_eq!(promises(promise), [("A promise.", vec![("a/b.rs", "c")])]);
}
