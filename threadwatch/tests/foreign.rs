//! A C program loads a shared library with this crate at run time, and calls it from threads that C
//! started. The library sees them die: those that return, those that call `pthread_exit`, and those
//! that are cancelled.
#![cfg(all(target_os = "linux", not(loom)))]

use std::{
    env,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// The library, which cargo has built beside this test.
fn library() -> PathBuf {
    let file = format!("{}threadwatch_foreign{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let library = env::current_exe().unwrap().with_file_name(file);
    assert!(library.exists(), "cargo has not built {}", library.display());
    library
}

/// Compiles the C program with the compiler that `CC` names, or with `cc`, which also links Rust
/// programs.
fn host() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/host.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("host-{}", process::id()));
    let compiler = env::var_os("CC").unwrap_or("cc".into());
    let status = Command::new(&compiler)
        .args(["-std=gnu11", "-Wall", "-Werror", "-pthread", "-o"])
        .args([&program, &source])
        .arg("-ldl")
        .status()
        .unwrap_or_else(|e| {
            panic!("{} does not run ({e}): set CC to a C compiler", compiler.display())
        });
    assert!(status.success(), "the C program does not compile");
    program
}

#[test]
#[cfg_attr(miri, ignore = "starts a C compiler and a C program")]
fn library_loaded_at_run_time_sees_c_threads_die() {
    let host = host();
    let output = Command::new(&host).arg(library()).output();
    std::fs::remove_file(&host).unwrap();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert_eq!(output.stdout, b"every death was seen\n");
}
