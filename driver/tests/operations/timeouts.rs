//! The time limit of operations with cursors, and its scope.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::ops::Operation;
use driver::options::{CursorTimeoutMode, CursorType};
use testbed::{eventually, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, held_once, invalid, turn_for_faults};

on_both_apis! {
    timeout_bounds_all_steps_of_a_cursor_together
    iteration_gives_each_step_the_whole_timeout
    tailable_cursor_gives_each_step_the_whole_timeout
    mode_that_does_not_suit_the_cursor_is_refused
    closed_cursor_is_gone_from_the_server
    close_has_a_time_of_its_own
    kill_has_a_time_of_its_own
}

/// Short enough to wait for it, and far longer than a command takes.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The time itself is tested, so nothing else can be waited for.
fn wait_until_it_has_passed() {
    std::thread::sleep(TIMEOUT + Duration::from_millis(100));
}

fn observed<F: Api>() -> (Observed<F>, Collection<Document, F>) {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let numbers = observed.database().collection::<Document>("numbers");
    F::end(numbers.insert_many((0..6).map(|i| doc! { "_id": i }))).unwrap();
    observed.forget();
    (observed, numbers)
}

fn timeout_bounds_all_steps_of_a_cursor_together<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let mut cursor = F::end(numbers.find(doc! {}).batch_size(2).timeout(TIMEOUT)).unwrap();
    for _ in 0..3 {
        F::next(&mut cursor).unwrap().unwrap();
    }
    assert!(observed.sent("find")[0].contains_key("maxTimeMS"));
    assert!(!observed.sent("getMore")[0].contains_key("maxTimeMS"));
    wait_until_it_has_passed();
    assert_eq!(F::next(&mut cursor).unwrap().unwrap(), doc! { "_id": 3 }, "it was there already");
    let error = F::next(&mut cursor).unwrap().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("the cursor has ended"), "{error}");
    assert_eq!(observed.sent("getMore").len(), 1, "there was no time for another");
    assert!(!cursor.has_next() && F::next(&mut cursor).is_none());
    eventually("its cursor is ended on the server", || observed.open_cursors() == 0);
}

fn iteration_gives_each_step_the_whole_timeout<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let mode = CursorTimeoutMode::Iteration;
    let find = numbers.find(doc! {}).batch_size(2).timeout(TIMEOUT).timeout_mode(mode);
    let mut cursor = F::end(find).unwrap();
    let first: Vec<_> = (0..2).map(|_| F::next(&mut cursor).unwrap().unwrap()).collect();
    wait_until_it_has_passed();
    let rest = F::collect(cursor).unwrap();
    assert_eq!((first.len(), rest.len()), (2, 4));
    let timed = |name| observed.sent(name).iter().any(|sent| sent.contains_key("maxTimeMS"));
    assert!(!timed("find") && !timed("getMore"));
    let stage = doc! { "$match": {} };
    let aggregate = numbers.aggregate([stage]).batch_size(2).timeout(TIMEOUT).timeout_mode(mode);
    let mut cursor = F::end(aggregate).unwrap();
    wait_until_it_has_passed();
    let all: Vec<_> = std::iter::from_fn(|| F::next(&mut cursor)).map(Result::unwrap).collect();
    assert_eq!(all.len(), 6);
    assert!(!timed("aggregate") && !timed("getMore"));
}

fn tailable_cursor_gives_each_step_the_whole_timeout<F: Api>() {
    let (observed, _) = observed::<F>();
    let database = observed.database();
    F::end(database.create_collection("log").capped(true).size(65536_u64)).unwrap();
    let log = database.collection::<Document>("log");
    F::end(log.insert_many((0..4).map(|i| doc! { "_id": i }))).unwrap();
    let find = log.find(doc! {}).cursor_type(CursorType::Tailable).batch_size(2).timeout(TIMEOUT);
    let mut cursor = F::end(find).unwrap();
    wait_until_it_has_passed();
    for i in 0..4 {
        assert_eq!(F::next(&mut cursor).unwrap().unwrap(), doc! { "_id": i });
    }
    assert!(!observed.sent("find")[0].contains_key("maxTimeMS"));
}

fn mode_that_does_not_suit_the_cursor_is_refused<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let database = observed.database();
    let mode = |lives| {
        if lives { CursorTimeoutMode::CursorLifetime } else { CursorTimeoutMode::Iteration }
    };
    for lives in [true, false] {
        let find = numbers.find(doc! {}).timeout_mode(mode(lives));
        let error = F::end(find).err().unwrap();
        assert!(invalid(&error).contains("needs a timeout"), "{error}");
    }
    let list = numbers.list_indexes().timeout_mode(mode(true));
    assert!(invalid(&F::end(list).err().unwrap()).contains("needs a timeout"));
    let list = database.list_collection_names().timeout_mode(mode(true));
    assert!(invalid(&F::end(list).err().unwrap()).contains("needs a timeout"));
    let command = database.run_cursor_command(doc! { "find": "c" }).timeout_mode(mode(true));
    assert!(invalid(&F::end(command).err().unwrap()).contains("needs a timeout"));
    for kind in [CursorType::Tailable, CursorType::TailableAwait] {
        let find = numbers.find(doc! {}).cursor_type(kind).timeout(TIMEOUT);
        let error = F::end(find.timeout_mode(mode(true))).err().unwrap();
        assert!(invalid(&error).contains("tailable"), "{error}");
        let command = database.run_cursor_command(doc! { "find": "c" }).cursor_type(kind);
        let command = command.timeout(TIMEOUT).timeout_mode(mode(true));
        assert!(invalid(&F::end(command).err().unwrap()).contains("tailable"));
    }
    for stage in ["$out", "$merge"] {
        let writes = numbers.aggregate([doc! { stage: "other" }]).timeout(TIMEOUT);
        let error = F::end(writes.timeout_mode(mode(false))).err().unwrap();
        assert!(invalid(&error).contains("Iteration"), "{error}");
    }
    assert!(observed.names().is_empty(), "nothing is sent: {:?}", observed.names());
}

fn closed_cursor_is_gone_from_the_server<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let mut cursor = F::end(numbers.find(doc! {}).batch_size(2)).unwrap();
    F::next(&mut cursor).unwrap().unwrap();
    F::end(cursor.close()).unwrap();
    let kills = observed.sent("killCursors");
    assert_eq!(kills.len(), 1);
    assert!(!kills[0].contains_key("maxTimeMS"));
    assert_eq!(observed.sent("find")[0].get("lsid"), kills[0].get("lsid"));
    assert_eq!(observed.open_cursors(), 0);
    let mut session = F::start_session(&observed.client);
    let find = numbers.find(doc! {}).batch_size(2).session(&mut session);
    F::end(F::end(find).unwrap().close()).unwrap();
    assert_eq!(observed.open_cursors(), 0);
    observed.forget();
    // This cursor no longer exists on the server.
    F::end(F::end(numbers.find(doc! {})).unwrap().close()).unwrap();
    assert_eq!(observed.names(), ["find"]);
}

fn close_has_a_time_of_its_own<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let find = || numbers.find(doc! {}).batch_size(2).timeout(TIMEOUT);
    let (cursor, other) = (F::end(find()).unwrap(), F::end(find()).unwrap());
    wait_until_it_has_passed();
    F::end(cursor.close()).unwrap();
    let kill = &observed.sent("killCursors")[0];
    assert!(kill.get_i64("maxTimeMS").unwrap() > 0, "{kill}");
    let longer = Duration::from_secs(50);
    F::end(other.close().timeout(longer)).unwrap();
    let kill = &observed.sent("killCursors")[1];
    let given = kill.get_i64("maxTimeMS").unwrap();
    assert!(given > TIMEOUT.as_millis() as i64, "{kill}");
    // An option that is set conditionally, as on every operation.
    let cursor = F::end(find()).unwrap();
    F::end(cursor.close().optional(Some(longer), |close, time| close.timeout(time))).unwrap();
    assert_eq!(observed.open_cursors(), 0);
}

/// The kill of a dropped cursor has the timeout of its operation, from the drop on. If that is too
/// short for the server, the next attempt has more time.
fn kill_has_a_time_of_its_own<F: Api>() {
    let (observed, numbers) = observed::<F>();
    let _turn = turn_for_faults();
    let server = shared_standalone().unwrap();
    let point = server.fail_point(held_once(&observed.name, "killCursors", 3000)).unwrap();
    drop(F::end(numbers.find(doc! {}).batch_size(2).timeout(TIMEOUT)).unwrap());
    eventually("the cursor is ended", || observed.sent("killCursors").len() == 2);
    drop(point);
    let kills = observed.sent("killCursors");
    let given = kills[0].get_i64("maxTimeMS").unwrap();
    assert!(given <= TIMEOUT.as_millis() as i64, "{kills:?}");
    assert!(!kills[1].contains_key("maxTimeMS"), "{kills:?}");
    eventually("the cursor is gone", || observed.open_cursors() == 0);
}
