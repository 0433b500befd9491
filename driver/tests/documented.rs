//! Every public method has an example in its documentation.
//!
//! The test reads the sources. A public function has an example when one of these is true:
//!
//! - Its own documentation has one.
//! - It takes no arguments but `self`, or makes a value of its type, and an example of the same
//!   file calls it. One example shows all getters of a type. If both APIs have a function of that
//!   name, the example of the blocking one names `sync`.
//! - It is a setter of a builder: it takes `self` and a value, and returns `Self` or the builder.
//! - A macro declares it for many types.

use std::path::{Path, PathBuf};

/// A public function as the source shows it.
#[derive(Debug, Default)]
struct Function {
    file: String,
    line: usize,
    /// The first line of the `impl` or the trait, if it is in one.
    of: String,
    name: String,
    signature: String,
    has_example: bool,
}

impl Function {
    /// The text between the parentheses.
    fn arguments(&self) -> &str {
        let after = self.signature.split_once('(').map_or("", |(_, after)| after);
        after.split(") ->").next().unwrap_or_default().trim_end_matches([' ', '{', ')'])
    }

    fn takes_only_self(&self) -> bool {
        ["self", "&self", "&mut self", "mut self"].contains(&self.arguments())
    }

    fn has_receiver(&self) -> bool {
        self.arguments().split(',').next().is_some_and(|first| first.ends_with("self"))
    }

    fn is_setter(&self) -> bool {
        let is_by_value =
            self.arguments().starts_with("mut self,") || self.arguments().starts_with("self,");
        is_by_value
            && self.signature.split_once("-> ").is_some_and(|(_, out)| out.starts_with("Self"))
    }

    fn is_blocking(&self) -> bool {
        self.of.contains("Blocking")
    }
}

/// The public functions of a file, and the examples of its comments.
#[derive(Debug, Default)]
struct Source {
    functions: Vec<Function>,
    examples: Vec<String>,
}

fn read(file: &str, text: &str) -> Source {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut source = Source::default();
    let (mut of, mut in_macro, mut has_example) = (String::new(), false, false);
    let mut example: Option<String> = None;
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let code = line.trim();
        if let Some(comment) = code.strip_prefix("///").or_else(|| code.strip_prefix("//!")) {
            if comment.trim_start().starts_with("```") {
                has_example = true;
                match example.take() {
                    Some(ended) => source.examples.push(ended),
                    None => example = Some(String::new()),
                }
            } else if let Some(example) = &mut example {
                example.push_str(comment);
                example.push('\n');
            }
            continue;
        }
        if !line.starts_with([' ', '}', '#']) && !line.is_empty() {
            in_macro = line.starts_with("macro_rules!");
            of = String::new();
        }
        if line.starts_with("impl") || line.starts_with("pub trait") {
            of = (*line).to_owned();
        }
        let is_function = ["pub fn ", "pub async fn ", "pub const fn "]
            .iter()
            .any(|start| code.starts_with(start))
            || of.starts_with("pub trait") && line.starts_with("    fn ");
        if is_function && !in_macro {
            let rest = lines[number..].iter().map(|line| line.trim());
            let mut signature = String::new();
            for part in rest {
                signature.push_str(part);
                if part.ends_with(['{', '}', ';']) {
                    break;
                }
                signature.push(' ');
            }
            let signature = signature.replace("( ", "(").replace(", )", ")").replace("&'a ", "&");
            let name = signature.split("fn ").nth(1).unwrap();
            let name = name.split(['(', '<']).next().unwrap().to_owned();
            source.functions.push(Function {
                file: file.to_owned(),
                line: number + 1,
                of: of.clone(),
                name,
                signature,
                has_example,
            });
        }
        if !code.starts_with("#[") && !code.is_empty() {
            has_example = false;
        }
    }
    source
}

impl Source {
    /// Whether an example of the file calls this function.
    fn shows(&self, function: &Function) -> bool {
        let is_of_both_apis =
            self.functions.iter().any(|other| other.name == function.name && !other.is_blocking());
        let is_of_the_api = |example: &&String| {
            !(function.is_blocking() && is_of_both_apis) || example.contains("sync::")
        };
        let (method, associated) = (format!(".{}", function.name), format!("::{}", function.name));
        self.examples.iter().filter(is_of_the_api).any(|example| {
            let after = example.split(&method).skip(1).chain(example.split(&associated).skip(1));
            after.into_iter().any(|after| after.starts_with(['(', '<', ':', ')']))
        })
    }

    fn undocumented(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| {
            let may_be_shown = function.takes_only_self() || !function.has_receiver();
            let is_shown = may_be_shown && self.shows(function);
            !function.has_example && !function.is_setter() && !is_shown
        })
    }
}

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

#[test]
fn every_public_method_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let (mut count, mut missing) = (0, Vec::new());
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        // The module for this crate's own tests is no part of the API.
        let is_inside =
            |part| ["tests.rs", "tests", "conformance.rs", "conformance"].contains(&part);
        if path.iter().filter_map(|part| part.to_str()).any(is_inside) {
            continue;
        }
        let source = read(&path.display().to_string(), &std::fs::read_to_string(&file).unwrap());
        count += source.functions.len();
        missing.extend(source.undocumented().map(|function| {
            let Function { file, line, of, signature, .. } = function;
            format!("{file}:{line}: {of} {signature}")
        }));
    }
    assert!(count > 300, "only {count} functions were read");
    assert!(missing.is_empty(), "{} have no example: {missing:#?}", missing.len());
}

const SAMPLE: &str = r#"
impl Handle<Async> {
    /// Own example.
    ///
    /// ```
    /// handle.name();
    /// ```
    #[must_use]
    pub fn find(&self, filter: Document) -> Find {
    }

    /// The name.
    pub fn name(&self) -> &str {}

    /// Not shown.
    pub fn hidden(&self) -> &str {}

    /// Its argument needs an example.
    pub async fn next(
        &mut self,
        session: &mut Session,
    ) -> Result<()> {
    }

    /// Sets a value.
    pub fn limit(mut self, value: u32) -> Self {}
}

impl Handle<Blocking> {
    /// The example of the async API does not count.
    pub fn name(&self) -> &str {}
}

macro_rules! many {
    () => {
        /// One of many.
        pub fn one_of_many(&self, value: u32) {}
    };
}
"#;

#[test]
fn missing_examples_are_found() {
    let source = read("sample.rs", SAMPLE);
    let names: Vec<_> = source.functions.iter().map(|function| &*function.name).collect();
    assert_eq!(names, ["find", "name", "hidden", "next", "limit", "name"]);
    let missing: Vec<_> = source.undocumented().map(|f| (&*f.name, f.is_blocking())).collect();
    assert_eq!(missing, [("hidden", false), ("next", false), ("name", true)]);
}
