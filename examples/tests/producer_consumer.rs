//! The producer-consumer example, step by step.

use std::sync::{Arc, Mutex};

use examples::producer_consumer::{Step, run};

#[tokio::test]
async fn every_item_is_done_once_and_join_comes_last() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    run(100, 3, {
        let steps = steps.clone();
        move |step| steps.lock().unwrap().push(step)
    })
    .await;
    let steps = steps.lock().unwrap();
    for item in 0..100 {
        for step in [Step::Put(item), Step::Took(item), Step::Done(item)] {
            assert_eq!(steps.iter().filter(|s| **s == step).count(), 1, "{step:?}");
        }
    }
    assert_eq!(steps.last(), Some(&Step::Joined));
    let took: Vec<_> = steps
        .iter()
        .filter_map(|s| if let Step::Took(item) = s { Some(*item) } else { None })
        .collect();
    assert!(took.is_sorted(), "a queue is first in, first out: {took:?}");
}

#[tokio::test]
async fn producer_is_ahead_by_at_most_the_size_of_the_queue() {
    let ahead = Arc::new(Mutex::new((0_i32, 0_i32)));
    run(50, 1, {
        let ahead = ahead.clone();
        move |step| {
            let mut ahead = ahead.lock().unwrap();
            match step {
                Step::Put(_) => ahead.0 += 1,
                Step::Took(_) => ahead.0 -= 1,
                Step::Done(_) | Step::Joined => {}
            }
            ahead.1 = ahead.1.max(ahead.0);
        }
    })
    .await;
    // Two are in the queue, and a consumer has taken one more without reporting it yet.
    let (left, most) = *ahead.lock().unwrap();
    assert_eq!(left, 0);
    assert!(most <= 3, "{most} items were put and not taken");
}
