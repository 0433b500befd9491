#!/usr/bin/env python3
"""Breaks the driver in chosen ways, one at a time, and shows that a test fails for each.

    python3 driver/mutations/run.py            # all mutations
    python3 driver/mutations/run.py lsid label # those whose names contain a word

It works in a copy of the tree at `target/mutations`, so the checkout stays as it is. Each mutation
replaces one text, which must occur exactly once. Its test must pass without the mutation and fail
with it. The results go to `driver/mutations/README.md`.
"""

import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "mutations" / "tree"

# The name, the file in driver/src, the text, its replacement, and the test: target and filter.
MUTATIONS = [
    ("the read concern is sent with another level", "exec/envelope.rs",
     '(_, Some(asked)) => concern.str(cstr!("level"), asked.level.as_str()),',
     '(_, Some(_)) => concern.str(cstr!("level"), "local"),',
     "--lib", "exec::envelope"),
    ("the session id is not sent", "exec/envelope.rs",
     "if let Some(id) = &self.session.id {",
     "if let Some(id) = self.session.id.as_ref().filter(|_| false) {",
     "--test operations", "find_and_modify_runs_in_a_session"),
    ("the failed event of a command is dropped", "exec/command_monitor.rs",
     "self.handler.handle(CommandEvent::Failed(CommandFailedEvent {",
     "drop(CommandEvent::Failed(CommandFailedEvent {",
     "--test events", "command_events_report_failures"),
    ("a write is not sent again", "exec/retry.rs",
     "Retry::Write | Retry::TransactionEnd => error.has_label(RETRYABLE_WRITE_ERROR),",
     "Retry::Write | Retry::TransactionEnd => false,",
     "--test operations", "find_and_modify_is_done_once_when_its_reply_is_lost"),
    ("a read is not sent again", "exec/retry.rs",
     "            is_unreachable(error)\n                || matches!(error.kind(), ErrorKind::Command(e) if codes::is_retryable_read(e.code))",
     "            let _ = (is_unreachable(error), codes::is_retryable_read);\n            false",
     "--test operations", "lists_are_sent_once_more"),
    ("the label RetryableWriteError is not added", "exec/retry.rs",
     "        error.add_label(RETRYABLE_WRITE_ERROR);",
     "        let _ = RETRYABLE_WRITE_ERROR;",
     "--lib", "exec::retry"),
    ("a retried write gets another transaction number", "exec/session.rs",
     "self.txn_number = self.server_session().map(ServerSession::next_txn_number);",
     "self.txn_number = self.server_session().map(|own| { own.next_txn_number(); own.next_txn_number() });",
     "--lib", "session_pool"),
    ("connections of older generations stay in use", "pool/state.rs",
     "None => generation.number != self.generation,",
     "None => generation.number > self.generation,",
     "--lib", "pool::"),
    ("errors of writes in a reply are overlooked", "exec/attempt.rs",
     "if header.is_success() && (complaints == Complaints::Unread || header.check().is_ok()) {",
     "if header.is_success() && (complaints == Complaints::Unread || complaints != Complaints::Unread) {",
     "--test replies", "malformed_write_errors"),
    ("documents of any depth are accepted", "wire/scan.rs",
     "pub(crate) const MAX_DEPTH: u32 = 200;",
     "pub(crate) const MAX_DEPTH: u32 = 2_000;",
     "--test replies", "deep_raw_documents_are_refused"),
    ("an absent upserted id is serialized as null", "results.rs",
     '    #[serde(skip_serializing_if = "Option::is_none")]\n    pub upserted_id: Option<Bson>,',
     "    pub upserted_id: Option<Bson>,",
     "--lib", "results"),
    ("a session of the parent is used in a forked child", "exec/session_pool.rs",
     "        self.born.is_current()",
     "        self.born.is_current() || true",
     "--test fork", ""),
    ("a forked child keeps the random bytes of its ids", "object_id.rs",
     "if process & !RANDOM == generation && process != 0 {",
     "if process != 0 {",
     "--test fork", ""),
    ("a stale primary is believed", "topology/update.rs",
     "        let stale = (election_id, set_version) < (self.max_election_id, self.max_set_version);",
     "        let stale = false && (election_id, set_version) < (self.max_election_id, self.max_set_version);",
     "--lib", "topology::"),
    ("the wider of two deadlines holds", "deadline.rs",
     "(Some(a), Some(b)) => Some(a.min(b)),",
     "(Some(a), Some(b)) => Some(a.max(b)),",
     "--lib", "deadline"),
    ("a dropped cursor is not killed", "cursor/raw.rs",
     "if self.id != 0 && self.born.is_current() {",
     "if self.id != 0 && self.born.is_current() && false {",
     "--test cursors", "many_dropped_cursors_are_killed_together"),
    ("a change stream keeps its first token", "change_stream/raw.rs",
     "self.position.token = Some(last.map_or(id, token_of));",
     "self.position.token.get_or_insert(last.map_or(id, token_of));",
     "--test operations", "stored_token_resumes_another_stream"),
    ("the index of the chunks is not unique", "gridfs/indexes.rs",
     "IndexOptions::builder().unique(true).build();",
     "IndexOptions::builder().unique(false).build();",
     "--test operations", "first_upload_creates_the_indexes"),
    ("pool events are delivered under the lock", "topology/deployment.rs",
     "held_events.extend(pool.as_ref().map(|(server, _)| server.pool().hold_events()));",
     "let _ = |pool: &crate::pool::Pool| pool.hold_events();",
     "--test events", "handlers_of_pool_events_may_shut_the_client_down"),
    ("the cluster time is not sent", "exec/envelope.rs",
     "if let Some(time) = self.session.cluster_time {",
     "if let Some(time) = self.session.cluster_time.filter(|_| false) {",
     "--lib", "exec::envelope"),
]


def copy():
    """Brings the copy up to date. Unchanged files keep their times, so cargo builds little."""
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    for name in filter(None, files):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def test(target, filters):
    """Whether the tests pass. Raises if they do not build, or if none runs."""
    command = ["cargo", "test", "--locked", "--quiet", "-p", "driver", *target.split()]
    command += ["--target-dir", str(ROOT / "target" / "mutations" / "build")]
    built = subprocess.run(command + ["--no-run"], cwd=COPY, capture_output=True, text=True)
    if built.returncode != 0:
        raise SystemExit(f"does not build:\n{built.stderr}")
    filters = [filters] if filters else []
    try:
        ran = subprocess.run(
            command + ["--", *filters], cwd=COPY, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        return False
    if ran.returncode == 0 and "running 0 tests" in ran.stdout:
        raise SystemExit(f"no test of {target} is called {filters}")
    return ran.returncode == 0


def main():
    words = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not words or any(word in m[0] for word in words)]
    copy()
    rows, escaped = [], 0
    for number, (name, file, old, new, target, filters) in enumerate(chosen, 1):
        path = COPY / "driver" / "src" / file
        source = path.read_text()
        if source.count(old) != 1:
            raise SystemExit(f"{name}: {file} has the text {source.count(old)} times: {old}")
        started = time.monotonic()
        if not test(target, filters):
            raise SystemExit(f"{name}: {target} {filters} fails without the mutation")
        path.write_text(source.replace(old, new))
        try:
            caught = not test(target, filters)
        finally:
            path.write_text(source)
        escaped += not caught
        result = "caught" if caught else "**escaped**"
        print(f"{number}/{len(chosen)} {result}: {name} ({time.monotonic() - started:.0f} s)", flush=True)
        rows.append(f"| {name} | `{file}` | `{(target + ' ' + filters).strip()}` | {result} |")
    if not words:
        page = (
            "# Mutations\n\n"
            "`python3 driver/mutations/run.py` breaks the driver in these ways, one at a time, and runs a\n"
            "test that must fail. It writes this page.\n\n"
            "| mutation | file | test | result |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
        (ROOT / "driver" / "mutations" / "README.md").write_text(page)
    sys.exit(escaped > 0)


if __name__ == "__main__":
    main()
