//! Every operation compiles in a spawned task, also with documents that borrow. Nothing runs, so no
//! server is needed.
//!
//! The compiler checks that a task is `Send` without knowing the lifetimes in the types of its
//! awaits. Bounds that name a type twice, or an unneeded lifetime, then fail: "one type is more
//! general than the other", "implementation of `Send` is not general enough".

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use driver::bson::{Document, doc};
use driver::{Client, Collection};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error + Send + Sync>;
type Job = Box<dyn FnOnce() + Send>;
type Callback = Arc<dyn Fn() + Send + Sync>;

/// Spawns the future on tokio. Never called.
fn spawnable<T: Send + 'static>(future: impl Future<Output = Result<T, Failure>> + Send + 'static) {
    drop(tokio::spawn(future));
}

/// Drops a value, with or without a destructor.
fn done<T>(_: T) {}

/// A document that borrows and is only written.
#[derive(Serialize)]
struct Borrowing<'a> {
    name: &'a str,
    tags: &'a [&'a str],
}

/// A document that is read and written. The compiler treats its fields as lifetimes and trait
/// objects.
#[derive(Serialize, Deserialize)]
struct Holding {
    name: Cow<'static, str>,
    #[serde(skip)]
    callback: Option<Callback>,
    #[serde(skip)]
    failure: Option<Failure>,
}

fn holding() -> Holding {
    Holding { name: "name".into(), callback: None, failure: None }
}

fn borrowing() -> Borrowing<'static> {
    Borrowing { name: "name", tags: &["tag"] }
}

/// The operations that read documents of type `$item`; `$make` creates one.
macro_rules! reads_and_writes {
    ($client:ident, $item:ty, $make:expr) => {
        let client = $client.clone();
        spawnable(async move {
            let coll: Collection<$item> = client.database("db").collection("coll");
            writes!(coll, client, $make);
            let mut session = client.start_session().await?;
            done(coll.find_one(doc! {}).sort(doc! { "name": 1 }).await?);
            done(coll.find_one(doc! {}).session(&mut session).await?);
            let mut cursor = coll.find(doc! {}).limit(1).await?;
            while cursor.advance().await? {
                done(cursor.deserialize_current()?);
            }
            while let Some(item) = cursor.try_next().await? {
                done(item);
            }
            let mut cursor = coll.find(doc! {}).await?.with_type::<Holding>();
            done(cursor.next().await);
            let items: Vec<$item> = coll.find(doc! {}).await?.try_collect().await?;
            let mut cursor = coll.find(doc! {}).session(&mut session).await?;
            done(cursor.next(&mut session).await);
            while cursor.advance(&mut session).await? {
                done(cursor.deserialize_current()?);
            }
            let rest: Vec<$item> = cursor.stream(&mut session).try_collect().await?;
            Ok((items, rest))
        });
    };
}

/// The operations whose documents must only be writable.
macro_rules! writes {
    ($coll:ident, $client:ident, $make:expr) => {
        let mut session = $client.start_session().await?;
        done($coll.insert_one($make).await?);
        done($coll.insert_one(&$make).await?);
        done($coll.insert_one($make).session(&mut session).await?);
        done($coll.insert_many([$make, $make]).ordered(false).await?);
        done($coll.insert_many(vec![$make]).session(&mut session).await?);
        done($coll.replace_one(doc! {}, $make).upsert(true).await?);
        done($coll.update_one(doc! {}, doc! { "$set": { "name": "other" } }).await?);
        done($coll.update_many(doc! {}, vec![doc! { "$set": { "name": "other" } }]).await?);
        done($coll.delete_one(doc! {}).await?);
        done($coll.delete_many(doc! {}).session(&mut session).await?);
        let counted =
            $coll.count_documents(doc! {}).await? + $coll.estimated_document_count().await?;
        done($coll.distinct("name", doc! {}).await?);
        let mut cursor = $coll.aggregate([doc! { "$match": { "name": "name" } }]).await?;
        done(cursor.next().await);
        let items: Vec<Document> = $coll.aggregate(vec![]).await?.try_collect().await?;
        let mut cursor = $coll.aggregate(vec![]).session(&mut session).await?;
        done(cursor.next(&mut session).await);
        $coll.drop().await?;
        done((counted, items));
    };
}

fn operations_can_be_spawned(client: &Client) {
    reads_and_writes!(client, Document, doc! { "name": "name" });
    reads_and_writes!(client, Holding, holding());
    reads_and_writes!(client, Result<Cow<'static, str>, String>, Ok("name".into()));

    let spawned = client.clone();
    spawnable(async move {
        let coll: Collection<Borrowing<'static>> = spawned.database("db").collection("coll");
        writes!(coll, spawned, borrowing());
        let mut found = coll.clone_with_type::<Holding>().find(doc! {}).await?;
        let found = found.try_next().await?.ok_or("nothing was found")?;
        found.callback.inspect(|callback| callback());
        found.failure.map_or(Ok(()), Err)
    });

    let spawned = client.clone();
    spawnable(async move {
        let db = spawned.database("db");
        done(db.run_command(doc! { "ping": 1 }).await?);
        done(db.list_collection_names().await?);
        db.drop().await?;
        spawned.wait_for_refresh().await?;
        done(spawned.topology_changed(&spawned.topology()).await);
        let request = spawned.start_request();
        let coll: Collection<Holding> = request.database("db").collection("coll");
        writes!(coll, spawned, holding());
        done(coll.find_one(doc! {}).await?);
        let mut cursor = coll.find(doc! {}).await?;
        while let Some(item) = cursor.try_next().await? {
            done(item);
        }
        drop(request);
        spawned.shutdown().await;
        Ok(())
    });

    // A caller's result type around the driver's, and a borrowed name.
    async fn count(
        coll: &Collection<Holding>,
        name: &str,
    ) -> Result<Result<u64, Failure>, Failure> {
        Ok(coll.count_documents(doc! { "name": name }).await.map_err(Failure::from))
    }
    let coll = client.database("db").collection("coll");
    spawnable(async move {
        let job: Job = Box::new(|| ());
        let name: &'static str = "name";
        let counted = count(&coll, name).await?;
        job();
        counted
    });
}

#[test]
fn futures_of_every_operation_can_be_spawned() {
    // The test is that this compiles.
    let _ = operations_can_be_spawned;
}

/// An error of the caller's own.
enum Refused {
    Failure(Failure),
    Driver(driver::Error),
}

impl From<driver::Error> for Refused {
    fn from(error: driver::Error) -> Self {
        Refused::Driver(error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failure(failure) => failure,
            Refused::Driver(error) => error.into(),
        }
    }
}

/// A transaction in code that knows neither the document nor the error.
async fn transfer<T, E>(
    items: &Collection<T>,
    names: &[&str],
    session: &mut driver::ClientSession,
) -> Result<usize, E>
where
    T: Serialize + Send + Sync,
    E: From<driver::Error> + Send + 'static,
{
    let closure = async |session: &mut driver::ClientSession| {
        for name in names {
            items.delete_one(doc! { "name": *name }).session(&mut *session).await?;
        }
        Ok(names.len())
    };
    session.start_transaction().and_run2(closure).await
}

type Filter = Box<dyn Fn(&Document) -> bool + Send + Sync>;

/// Spawns a transaction in code that does not know the error, with trait objects as its input.
fn spawn_with_error<E>(client: Client, jobs: Vec<Filter>)
where
    E: From<driver::Error> + Into<Failure> + Send + 'static,
{
    spawnable(async move {
        let items: Collection<Document> = client.database("db").collection("coll");
        let mut session = client.start_session().await?;
        let chosen = String::from("a");
        let kept = session.start_transaction().and_run2(async |session| {
            let mut kept = Vec::new();
            let mut cursor = items.find(doc! { "name": &chosen }).session(&mut *session).await?;
            while let Some(item) = cursor.try_next(&mut *session).await? {
                if jobs.iter().all(|job| job(&item)) {
                    kept.push(item);
                }
            }
            Ok::<_, E>(kept)
        });
        kept.await.map_err(Into::into)
    });
}

#[test]
fn transaction_with_a_generic_error_is_spawned() {
    // The test is that this compiles.
    let _: fn(Client, _) = spawn_with_error::<Refused>;
    let _: fn(Client, _) = spawn_with_error::<driver::Error>;
}

#[test]
fn spawned_transaction_closure_may_borrow() {
    let _compiles = |client: Client| {
        spawnable(async move {
            let items: Collection<Holding> = client.database("db").collection("coll");
            let words: Collection<Borrowing<'static>> = items.clone_with_type();
            let mut session = client.start_session().await?;
            let names = [String::from("a"), String::from("b")];
            let jobs: Vec<Box<dyn Fn() + Send + Sync>> = Vec::new();
            let callbacks: Vec<Callback> = Vec::new();
            let inserted: usize = session
                .start_transaction()
                .and_run2(async |session| {
                    for name in &names {
                        let found = items.find_one(doc! { "name": name });
                        if let Some(found) = found.session(&mut *session).await? {
                            items.insert_one(&found).session(&mut *session).await?;
                        }
                        let mut cursor = items.find(doc! {}).session(&mut *session).await?;
                        while let Some(item) = cursor.next(session).await {
                            done(item?);
                        }
                    }
                    words.insert_one(borrowing()).session(&mut *session).await?;
                    callbacks.iter().for_each(|callback| callback());
                    match jobs.len() {
                        0 => Ok(names.len()),
                        _ => Err(Refused::Failure("busy".into())),
                    }
                })
                .await?;
            let moved: Result<usize, Refused> = transfer(&items, &["a", "b"], &mut session).await;
            let context = (items.clone(), inserted);
            session
                .start_transaction()
                .and_run(context, |session, (items, _)| {
                    Box::pin(
                        async move { items.insert_one(holding()).session(session).await.map(drop) },
                    )
                })
                .await?;
            session.start_transaction().await?;
            session.commit_transaction().await?;
            session.abort_transaction().await?;
            Ok(moved?)
        });
    };
}
