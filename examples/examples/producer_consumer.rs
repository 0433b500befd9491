//! A producer and two consumers around a queue that holds two items.

use examples::producer_consumer::{Step, run};

const USAGE: &str = "\
usage: producer_consumer

A producer and two consumers around a queue that holds two items.
The program takes no options.";

#[tokio::main]
async fn main() {
    examples::arguments::takes_none(USAGE);
    run(6, 2, |step| match step {
        Step::Put(item) => println!("put   {item}"),
        Step::Took(item) => println!("      {item} taken"),
        Step::Done(item) => println!("      {item} done"),
        Step::Joined => println!("every item is done"),
    })
    .await;
}
