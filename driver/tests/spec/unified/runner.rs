//! A running test: its servers, its entities, and the results of its operations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bson::{Bson, Document};

use super::Steps;
use super::arguments::Arguments;
use super::entities::{self, Entities, Entity, NamedCursor, NamedStream, Session, lock};
use super::format::{EntityDefinition, ExpectedEnd, File, Operation, Test};
use super::operations::{Answer, Ended, Job, Kind, Registry};
use super::servers::Servers;
use super::stop::Stop;
use super::{expected_error, matching};

/// The state that the threads of a test share.
pub(crate) struct Runner<F: Steps> {
    pub(crate) servers: &'static Servers,
    pub(crate) entities: Entities<F>,
    registry: Registry<F>,
    /// The longest timeout in the test, in milliseconds.
    longest_timeout: Option<i64>,
}

impl<F: Steps> Runner<F> {
    pub(crate) fn on(servers: &'static Servers, file: &File, test: &Test) -> Arc<Self> {
        let entities = Entities::on(servers, longest_pause(test));
        let registry = Registry::new();
        Arc::new(Runner {
            servers,
            entities,
            registry,
            longest_timeout: longest_timeout(file, test),
        })
    }

    /// Lengthens a server pause that exceeds all timeouts of the test, so that it exceeds them on a
    /// busy machine too.
    pub(crate) fn lengthened(&self, pause: i64) -> i64 {
        const MARGIN: i64 = 1000;
        self.longest_timeout
            .filter(|timeout| *timeout < pause)
            .map_or(pause, |timeout| pause.max(timeout + MARGIN))
    }

    /// Runs one operation and compares its result with the expectation.
    ///
    /// # Errors
    /// The result differs, or the runner does not know the operation or an argument.
    pub(crate) fn run(self: &Arc<Self>, operation: &Operation) -> Result<(), Stop> {
        self.run_for_error(operation).map(drop)
    }

    /// Like [`run`](Self::run). Also returns the expected error, if the operation failed.
    pub(crate) fn run_for_error(
        self: &Arc<Self>,
        operation: &Operation,
    ) -> Result<Option<driver::Error>, Stop> {
        self.end(operation).map_err(|stop| stop.during(&operation.name))
    }

    fn end(self: &Arc<Self>, operation: &Operation) -> Result<Option<driver::Error>, Stop> {
        let Operation { name, object, .. } = operation;
        if object == RUNNER {
            let arguments = Arguments::of(name, operation.arguments.clone());
            return match self.registry.read(Kind::Runner, name, arguments)? {
                Job::Runner(job) => job(self).map(|()| None),
                _ => Err(format!("{name} is registered for another kind").into()),
            };
        }
        let (ended, session) = self.call(operation)?;
        let answer = match (ended, &operation.end) {
            (ended, ExpectedEnd::Any) => return Ok(ended.err()),
            (Err(error), ExpectedEnd::Error(expected)) => {
                expected_error::check(expected, &error, &self.entities)?;
                return Ok(Some(error));
            }
            (Ok(_), ExpectedEnd::Error(_)) => {
                return Err("expected an error, found none".into());
            }
            (Err(error), ExpectedEnd::Result(_)) => {
                return Err(format!("unexpected error: {error}").into());
            }
            (Ok(answer), ExpectedEnd::Result(expected)) => {
                if let Some(expected) = expected {
                    matches(expected, &answer, &self.entities)?;
                }
                answer
            }
        };
        let Some(saved_as) = &operation.save_result_as_entity else { return Ok(None) };
        let entity = match answer {
            Answer::Nothing => {
                return Err(format!("there is no result to be saved as {saved_as:?}").into());
            }
            Answer::Value(value) => Entity::Value(value),
            Answer::Documents(documents) => Entity::Value(array(documents)),
            Answer::Collection(collection) => Entity::Collection(collection),
            Answer::Cursor(cursor) => {
                Entity::Cursor(Arc::new(Mutex::new(Some(NamedCursor { cursor: *cursor, session }))))
            }
            Answer::ChangeStream(stream) => {
                Entity::ChangeStream(Arc::new(Mutex::new(Some(NamedStream {
                    stream: *stream,
                    session,
                }))))
            }
        };
        self.entities.put(saved_as, entity)?;
        Ok(None)
    }

    /// Runs an operation of the driver. Also returns its session.
    fn call(
        self: &Arc<Self>,
        operation: &Operation,
    ) -> Result<(Ended<F>, Option<Session<F>>), Stop> {
        let entity = self.entities.get(&operation.object)?;
        let kind =
            entity.kind().ok_or_else(|| format!("{:?} has no operations", operation.object))?;
        let (session, arguments) = split(operation)?;
        let job = self.registry.read(kind, &operation.name, arguments)?;
        let session = session.map(|name| self.entities.session(&name)).transpose()?;
        let ended = {
            let mut held = session.as_deref().map(lock);
            let held = match &mut held {
                None => None,
                Some(session) => Some(session.as_mut().ok_or("the session has ended")?),
            };
            match (job, entity) {
                (Job::Client(job), Entity::Client(client)) => job(&client, held)?,
                (Job::Database(job), Entity::Database(database)) => job(&database, held),
                (Job::Collection(job), Entity::Collection(collection)) => job(&collection, held),
                (Job::Session(job), Entity::Session(session)) => job(self, &session)?,
                (Job::Cursor(job), Entity::Cursor(cursor)) => job(&mut lock(&cursor))?,
                (Job::ChangeStream(job), Entity::ChangeStream(stream)) => job(&mut lock(&stream))?,
                (Job::Bucket(job), Entity::Bucket(bucket)) => job(&bucket),
                _ => return Err("the operation is registered for another kind".into()),
            }
        };
        Ok((ended, session))
    }

    /// Reads the arguments of all operations of a test, to find components that the driver lacks.
    ///
    /// # Errors
    /// The first missing component. Other faults appear when the test runs.
    pub(crate) fn check(entities: &[EntityDefinition], test: &Test) -> Result<(), Stop> {
        let mut check = Check::<F> { registry: Registry::new(), kinds: HashMap::new() };
        check.entities(entities)?;
        check.operations(&test.operations)
    }
}

/// Finds components that the driver lacks.
struct Check<F: Steps> {
    registry: Registry<F>,
    /// The kinds of the entities, by name.
    kinds: HashMap<String, Kind>,
}

impl<F: Steps> Check<F> {
    fn entities(&mut self, entities: &[EntityDefinition]) -> Result<(), Stop> {
        for definition in entities {
            // An entity without its parent is not created.
            if definition.parent().is_some_and(|parent| !self.kinds.contains_key(parent)) {
                continue;
            }
            only_lacks(entities::lacks(definition))?;
            let kind = match definition {
                EntityDefinition::Client(_) => Kind::Client,
                EntityDefinition::ClientEncryption(_) => Kind::ClientEncryption,
                EntityDefinition::Database(_) => Kind::Database,
                EntityDefinition::Collection(_) => Kind::Collection,
                EntityDefinition::Session(_) => Kind::Session,
                EntityDefinition::Bucket(_) => Kind::Bucket,
                EntityDefinition::Thread(_) => Kind::Thread,
            };
            self.kinds.insert(definition.id().to_owned(), kind);
        }
        Ok(())
    }

    fn operations(&mut self, operations: &[Operation]) -> Result<(), Stop> {
        for operation in operations {
            let kind = match operation.object.as_str() {
                RUNNER => Some(Kind::Runner),
                object => self.kinds.get(object).copied(),
            };
            let Some(kind) = kind else { continue };
            let arguments = match kind {
                Kind::Runner => Arguments::of(&operation.name, operation.arguments.clone()),
                _ => split(operation)?.1,
            };
            only_lacks(self.registry.read(kind, &operation.name, arguments).map(drop))?;
            if let Some(name) = &operation.save_result_as_entity {
                let saved = match operation.name.as_str() {
                    "createFindCursor" | "createCommandCursor" => Some(Kind::Cursor),
                    "createChangeStream" => Some(Kind::ChangeStream),
                    _ => None,
                };
                self.kinds.extend(saved.map(|kind| (name.clone(), kind)));
            }
            let callback = operation.arguments.get("callback").cloned();
            if let Some(Ok(callback)) = callback.map(bson::deserialize_from_bson::<Vec<_>>) {
                self.operations(&callback)?;
            }
            if kind == Kind::Runner {
                let given = |key: &str| operation.arguments.get(key).cloned();
                let nested = given("operation").map(bson::deserialize_from_bson);
                if let Some(Ok(nested)) = nested {
                    self.operations(std::slice::from_ref(&nested))?;
                }
                if let Some(Ok(entities)) =
                    given("entities").map(bson::deserialize_from_bson::<Vec<_>>)
                {
                    self.entities(&entities)?;
                }
            }
        }
        Ok(())
    }
}

/// The name of the test runner as the object of operations.
const RUNNER: &str = "testRunner";

/// The longest timeout of clients, handles and operations.
fn longest_timeout(file: &File, test: &Test) -> Option<i64> {
    let named =
        |value: &Bson| highest(&["timeoutMS", "socketTimeoutMS", "defaultTimeoutMS"], value);
    let of_entities = file.create_entities.iter().filter_map(|definition| match definition {
        EntityDefinition::Client(own) => named(&own.uri_options.clone().into()),
        EntityDefinition::Database(own) => {
            own.database_options.timeout_ms.map(|timeout| timeout as i64)
        }
        EntityDefinition::Collection(own) => {
            own.collection_options.timeout_ms.map(|timeout| timeout as i64)
        }
        EntityDefinition::Session(own) => named(&own.session_options.clone().into()),
        _ => None,
    });
    let of_operations =
        test.operations.iter().filter_map(|operation| named(&operation.arguments.clone().into()));
    of_entities.chain(of_operations).max()
}

/// Whether the test has pauses of a server that are shorter than its longest timeout.
pub(crate) fn is_tight(file: &File, test: &Test) -> bool {
    let pause = longest_pause(test);
    pause > 0 && longest_timeout(file, test).is_some_and(|timeout| pause <= timeout)
}

/// The longest pause of a server in the test, in milliseconds.
fn longest_pause(test: &Test) -> i64 {
    let pause =
        |operation: &Operation| highest(&["blockTimeMS"], &operation.arguments.clone().into());
    test.operations.iter().filter_map(pause).max().unwrap_or_default()
}

/// The highest number among the values of `keys`, at any depth.
fn highest(keys: &[&str], value: &Bson) -> Option<i64> {
    let number = |value: &Bson| value.as_i64().or(value.as_i32().map(i64::from));
    match value {
        Bson::Document(document) => document
            .iter()
            .filter_map(|(key, value)| {
                if keys.contains(&key.as_str()) { number(value) } else { highest(keys, value) }
            })
            .max(),
        Bson::Array(items) => items.iter().filter_map(|item| highest(keys, item)).max(),
        _ => None,
    }
}

/// Leaves failures to the run of the test.
fn only_lacks(outcome: Result<(), Stop>) -> Result<(), Stop> {
    match outcome {
        Err(Stop::Failed(_)) => Ok(()),
        outcome => outcome,
    }
}

/// The session of an operation, and its other arguments.
fn split(operation: &Operation) -> Result<(Option<String>, Arguments), Stop> {
    let mut arguments = Arguments::of(&operation.name, operation.arguments.clone());
    Ok((arguments.option("session")?, arguments))
}

fn matches<F: Steps>(
    expected: &Bson,
    answer: &Answer<F>,
    names: &Entities<F>,
) -> Result<(), String> {
    match answer {
        Answer::Nothing | Answer::Collection(_) => matching::root(expected, None, names),
        Answer::Value(value) => matching::root(expected, Some(value), names),
        Answer::Documents(documents) => matching::roots(expected, &array(documents.clone()), names),
        Answer::Cursor(_) => Err(format!("expected {expected}, found a cursor")),
        Answer::ChangeStream(_) => Err(format!("expected {expected}, found a change stream")),
    }
}

fn array(documents: Vec<Document>) -> Bson {
    Bson::Array(documents.into_iter().map(Bson::Document).collect())
}
