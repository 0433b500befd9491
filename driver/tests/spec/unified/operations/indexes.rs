//! Indexes and search indexes.

use bson::{Bson, Document};
use driver::collection::Collection;
use driver::options::{
    AggregateOptions, CreateIndexOptions, DropIndexOptions, IndexOptions, ListIndexesOptions,
};
use driver::{IndexModel, SearchIndexModel};

use super::{Answer, Ended, InSession, Kind, Read, Registry, end, on_collection};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Collection, "createIndex", create_index);
    registry.add(Kind::Collection, "dropIndex", drop_index);
    registry.add(Kind::Collection, "dropIndexes", drop_indexes);
    registry.add(Kind::Collection, "listIndexes", list_indexes);
    registry.add(Kind::Collection, "listIndexNames", list_index_names);
    registry.add(Kind::Collection, "createSearchIndex", create_search_index);
    registry.add(Kind::Collection, "createSearchIndexes", create_search_indexes);
    registry.add(Kind::Collection, "updateSearchIndex", update_search_index);
    registry.add(Kind::Collection, "dropSearchIndex", drop_search_index);
    registry.add(Kind::Collection, "listSearchIndexes", list_search_indexes);
}

fn create_index<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut index = IndexOptions::default();
    fill!(fields of index from arguments: name = "name", unique = "unique");
    let model = IndexModel::builder().keys(arguments.required::<Document>("keys")?).options(index);
    let mut options = CreateIndexOptions::default();
    fill!(options from arguments: raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.create_index(model.build()).with_options(options);
        Ok(end!(F, operation, session)?.index_name.into())
    })
}

fn drop_index<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("name")?;
    let mut options = DropIndexOptions::default();
    fill!(options from arguments: raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.drop_index(name).with_options(options);
        end!(F, operation, session).map(|()| Answer::Nothing)
    })
}

fn drop_indexes<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = DropIndexOptions::default();
    fill!(options from arguments: raw_data = "rawData");
    options.max_time = arguments.millis("maxTimeMS")?;
    on_collection(move |collection, session| {
        let operation = collection.drop_indexes().with_options(options);
        end!(F, operation, session).map(|()| Answer::Nothing)
    })
}

fn list_indexes<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListIndexesOptions::default();
    fill!(options from arguments: batch_size = "batchSize", raw_data = "rawData",
        timeout_mode = "timeoutMode");
    on_collection(move |collection, session| {
        let operation = collection.list_indexes().with_options(options);
        let documents = match session {
            None => F::end(operation).and_then(|cursor| F::collect(cursor.with_type())),
            Some(session) => F::end(operation.session(&mut *session))
                .and_then(|cursor| F::collect_in(cursor.with_type(), session)),
        };
        documents.map(Answer::Documents)
    })
}

fn list_index_names<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let mut options = ListIndexesOptions::default();
    fill!(options from arguments: raw_data = "rawData");
    on_collection(move |collection, session| {
        let operation = collection.list_index_names().with_options(options);
        let names = end!(F, operation, session)?;
        Ok(names.into_iter().map(Bson::String).collect::<Vec<_>>().into())
    })
}

fn create_search_index<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let model: SearchIndexModel = arguments.required("model")?;
    on_collection(move |collection, session| {
        Ok(end!(F, collection.create_search_index(model), session)?.into())
    })
}

fn create_search_indexes<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let models: Vec<SearchIndexModel> = arguments.required("models")?;
    on_collection(move |collection, session| {
        let names = end!(F, collection.create_search_indexes(models), session)?;
        Ok(names.into_iter().map(Bson::String).collect::<Vec<_>>().into())
    })
}

fn update_search_index<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("name")?;
    let definition: Document = arguments.required("definition")?;
    on_collection(move |collection, session| {
        let operation = collection.update_search_index(name, definition);
        end!(F, operation, session).map(|()| Answer::Nothing)
    })
}

fn drop_search_index<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: String = arguments.required("name")?;
    on_collection(move |collection, session| {
        end!(F, collection.drop_search_index(name), session).map(|()| Answer::Nothing)
    })
}

fn list_search_indexes<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let name: Option<String> = arguments.option("name")?;
    let mut options = AggregateOptions::default();
    if let Some(mut given) = arguments.nested("aggregationOptions")? {
        fill!(fields of options from given: batch_size = "batchSize");
        given.done()?;
    }
    on_collection(move |collection: &Collection<Document, F>, session: InSession<'_, F>| {
        let mut operation = collection.list_search_indexes().aggregate_options(options);
        if let Some(name) = name {
            operation = operation.name(name);
        }
        let documents: Ended<F> = match session {
            None => F::end(operation).and_then(F::collect).map(Answer::Documents),
            Some(session) => F::end(operation.session(&mut *session))
                .and_then(|cursor| F::collect_in(cursor, session))
                .map(Answer::Documents),
        };
        documents
    })
}
