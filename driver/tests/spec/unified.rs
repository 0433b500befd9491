//! Runs files of the specification "Unified Test Format": each case creates clients, lets them work, and compares results, events,
//! log records and what the servers hold in the end. Each runs once on either face.

mod arguments;
mod entities;
mod events;
mod failure;
mod ground;
mod matching;
mod operations;
mod records;
mod requirements;
mod stage;
mod way;

use bson::{Bson, Document};
use driver::{Async, Blocking};
use serde_json::Value;

use self::records::Turn;
use self::stage::Stage;
use self::way::Way;
use crate::ignored;
use crate::suite::{Case, Outcome};

/// The cases of one file.
///
/// # Errors
/// The file has another form.
pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let content: Document =
        serde_json::from_value(content.clone()).map_err(|e| format!("the file is no BSON document: {e}"))?;
    for needed in ["description", "schemaVersion"] {
        content.get_str(needed).map_err(|e| format!("the file has no {needed}: {e}"))?;
    }
    let tests = content.get_array("tests").map_err(|e| format!("the file has no tests: {e}"))?;
    let mut cases = Vec::new();
    for test in tests {
        let test = test.as_document().ok_or("a test is no document")?;
        test.get_array("operations").map_err(|e| format!("a test has no operations: {e}"))?;
        cases.push(case::<Async>(&content, test)?);
        cases.push(case::<Blocking>(&content, test)?);
    }
    Ok(cases)
}

fn case<F: Way>(file: &Document, test: &Document) -> Result<Case, String> {
    let description = test.get_str("description").map_err(|e| format!("a test has no description: {e}"))?;
    let (file, test) = (file.clone(), test.clone());
    Ok(Case {
        description: format!("{description} [{}]", F::NAME),
        run: Box::new(move || run::<F>(&file, &test).unwrap_or_else(Outcome::Failed)),
    })
}

/// The documents in the array `key`; none where there is no array.
fn list(of: &Document, key: &str) -> Vec<Document> {
    of.get_array(key).into_iter().flatten().filter_map(Bson::as_document).cloned().collect()
}

fn run<F: Way>(file: &Document, test: &Document) -> Result<Outcome, String> {
    if let Ok(why) = test.get_str("skipReason") {
        return Ok(Outcome::Ignored(format!("the case itself says: {why}")));
    }
    let (of_file, of_test) = (list(file, "runOnRequirements"), list(test, "runOnRequirements"));
    let kind = match requirements::ground(&[&of_file, &of_test])? {
        Ok(kind) => kind,
        Err(reason) => return Ok(Outcome::Ignored(reason)),
    };
    let entities = list(file, "createEntities");
    if let Some(missing) = missing(&entities, test) {
        return Ok(Outcome::Ignored(missing));
    }
    let records = list(test, "expectLogMessages");
    if !records.is_empty() && !cfg!(feature = "tracing") {
        return Ok(Outcome::Ignored("needs the driver's feature tracing".into()));
    }

    let alone = kind.take()?;
    let ground = alone.ground;
    let turn = Turn::take(!records.is_empty());
    let stage = Stage::<F>::on(ground);
    let played = ground
        .load(&list(file, "initialData"))
        .and_then(|()| play(&stage, &entities, test, &records))
        // Fail points are still in force: what they hold up must not come to pass before it is looked at.
        .and_then(|()| ground.check(&list(test, "outcome")));
    stage.entities.end();
    ground.restore()?;
    played.and_then(|()| turn.end()).map(|()| Outcome::Passed)
}

fn play<F: Way>(
    stage: &std::sync::Arc<Stage<F>>,
    entities: &[Document],
    test: &Document,
    records: &[Document],
) -> Result<(), String> {
    entities.iter().try_for_each(|entity| stage.entities.create(entity))?;
    for (i, operation) in list(test, "operations").iter().enumerate() {
        stage.run(operation).map_err(|why| format!("operation {i}: {why}"))?;
    }
    for expected in list(test, "expectEvents") {
        let client = stage.entities.client(expected.get_str("client").map_err(|e| e.to_string())?)?;
        client.events.check(&expected, &stage.entities)?;
    }
    for expected in records {
        let client = stage.entities.client(expected.get_str("client").map_err(|e| e.to_string())?)?;
        let observed =
            client.records.as_ref().ok_or("log messages are expected of a client that has none")?;
        records::check(expected, observed, &stage.entities)?;
    }
    Ok(())
}

/// The first component that the case needs and the driver lacks, by its operations and entities.
fn missing(entities: &[Document], test: &Document) -> Option<String> {
    fn of_operations(operations: &[Document], known: &[Document]) -> Option<String> {
        operations.iter().find_map(|operation| {
            let text = |key: &str| operation.get_str(key).unwrap_or_default();
            let arguments = operation.get_document("arguments").cloned().unwrap_or_default();
            let nested: Vec<Document> = arguments.get_document("operation").into_iter().cloned().collect();
            ignored::missing_operation(kind(known, text("object")), text("name"), &arguments)
                .or_else(|| of_entities(&list(&arguments, "entities")))
                .or_else(|| of_operations(&nested, known))
        })
    }
    fn of_entities(entities: &[Document]) -> Option<String> {
        entities.iter().find_map(|entity| {
            let (kind, content) = entity.iter().next()?;
            ignored::missing_entity(kind, content.as_document()?)
        })
    }
    of_entities(entities).or_else(|| of_operations(&list(test, "operations"), entities))
}

/// What the thing called `id` is.
fn kind<'a>(entities: &'a [Document], id: &str) -> Option<&'a str> {
    let mut all = entities.iter().filter_map(|entity| entity.iter().next());
    let (kind, _) = all.find(|(_, content)| {
        content.as_document().is_some_and(|content| content.get_str("id").is_ok_and(|own| own == id))
    })?;
    Some(kind)
}
