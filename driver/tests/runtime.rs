//! Where a client can be made: what a tokio runtime lacks is told, and what to do about it.
//!
//! A program of its own: tokio reports through the panic hook what the client looks for, and in other programs that counts as a
//! failed test.

use driver::error::ErrorKind;
use driver::{Client, sync};
use testbed::Standalone;
use tokio::runtime::Builder;

/// Monitors could not live in such a runtime, and every operation would wait for a server in vain.
#[test]
fn a_runtime_that_was_built_without_something_is_told_what() {
    for lacking in ["I/O and timers", "timers", "I/O"] {
        let mut builder = Builder::new_current_thread();
        let builder = match lacking {
            "timers" => builder.enable_io(),
            "I/O" => builder.enable_time(),
            _ => &mut builder,
        };
        let opened = builder.build().unwrap().block_on(Client::with_uri_str("mongodb://localhost"));
        let error = opened.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("built without {lacking}:")), "{error}");
        assert!(error.to_string().contains("enable_all()"), "{error}");
    }
}

#[test]
fn a_whole_runtime_will_do_and_so_will_none() {
    let server = Standalone::start().unwrap();
    let ping = || driver::bson::doc! { "ping": 1 };
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let client = Client::with_uri_str(server.uri()).await.unwrap();
        client.database("admin").run_command(ping()).await.unwrap();
    });
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    client.database("admin").run_command(ping()).run().unwrap();
}
