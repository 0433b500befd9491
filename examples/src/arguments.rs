//! The command line of the examples: answers `--help`, and refuses unknown arguments by name.

use std::ffi::OsString;
use std::fmt::Display;
use std::process::exit;

/// The request on the command line of a program without options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// To run.
    Run,
    /// To print the usage.
    Help,
    /// An unknown argument.
    Unknown(String),
}

/// Parses the arguments (without the program's name) of a program that takes none.
pub fn asked(arguments: impl IntoIterator<Item = OsString>) -> Asked {
    match arguments.into_iter().next() {
        None => Asked::Run,
        Some(first) if first == "-h" || first == "--help" => Asked::Help,
        Some(first) => Asked::Unknown(first.to_string_lossy().into_owned()),
    }
}

/// For a program that takes no arguments. Returns only if there are none. On `--help` it prints the
/// usage and exits with status 0. It [refuses](refuse) everything else.
pub fn takes_none(usage: &str) {
    match asked(std::env::args_os().skip(1)) {
        Asked::Run => {}
        Asked::Help => {
            println!("{usage}");
            exit(0);
        }
        Asked::Unknown(argument) => refuse(&format!("unknown argument `{argument}`"), usage),
    }
}

/// Prints what is wrong with the command line and the usage, and exits with status 2.
pub fn refuse(wrong: &dyn Display, usage: &str) -> ! {
    eprintln!("{wrong}\n{usage}");
    exit(2)
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    fn given(arguments: &[&str]) -> Asked {
        asked(arguments.iter().map(Into::into))
    }

    #[test]
    fn help_is_answered_and_unknown_arguments_are_named() {
        assert_eq!(given(&[]), Asked::Run);
        assert_eq!((given(&["--help"]), given(&["-h", "x"])), (Asked::Help, Asked::Help));
        assert_eq!(given(&["--nope", "--help"]), Asked::Unknown("--nope".to_owned()));
        assert_eq!(given(&[""]), Asked::Unknown(String::new()));
    }
}
