//! A producer and two consumers around a queue that holds two items.

use examples::producer_consumer::{Step, run};

#[tokio::main]
async fn main() {
    run(6, 2, |step| match step {
        Step::Put(item) => println!("put   {item}"),
        Step::Took(item) => println!("      {item} taken"),
        Step::Done(item) => println!("      {item} done"),
        Step::Joined => println!("every item is done"),
    })
    .await;
}
