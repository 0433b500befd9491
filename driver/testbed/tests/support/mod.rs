//! Helpers of several test programs.

#![allow(dead_code, reason = "each test program compiles this module and uses a part of it")]

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name in parentheses may contain anything. The state follows the last parenthesis.
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}

/// Removes the logs that the error of a failed start names.
#[track_caller]
pub(crate) fn remove_logs(error: &str) {
    let (_, rest) =
        error.split_once("the logs are in ").expect("the error says where the logs are");
    let folder = rest.trim_end_matches(')');
    let logs = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|file| file.path().extension().is_some());
    assert!(logs.count() > 0, "no logs in {folder}");
    std::fs::remove_dir_all(folder).unwrap();
}
