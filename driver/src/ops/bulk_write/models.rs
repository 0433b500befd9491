//! The models of a bulk write: their validation and their order.

use crate::error::{Error, Result};
use crate::ops::command::On;
use crate::ops::{replace_one, update};
use crate::options::{ModelDocument, WriteModel};

/// The command of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

/// The kinds in the order of an unordered bulk write.
const KINDS: [Kind; 3] = [Kind::Insert, Kind::Update, Kind::Delete];

impl Kind {
    fn of(model: &WriteModel) -> Self {
        match model {
            WriteModel::InsertOne(_) => Kind::Insert,
            WriteModel::UpdateOne(_) | WriteModel::UpdateMany(_) | WriteModel::ReplaceOne(_) => {
                Kind::Update
            }
            WriteModel::DeleteOne(_) | WriteModel::DeleteMany(_) => Kind::Delete,
        }
    }
}

/// Refuses invalid models before anything is sent.
///
/// # Errors
/// `InvalidArgument` with the index of the model.
pub(super) fn check(models: &[WriteModel], on: On<'_>) -> Result<()> {
    check_number(models)?;
    let collection = on.collection.unwrap_or_default();
    models.iter().enumerate().try_for_each(|(index, model)| {
        let own = model.namespace();
        let checked = match own.filter(|own| own.db != on.db || own.coll != collection) {
            Some(own) => Err(Error::invalid_argument(format!(
                "it is for {own}, and the bulk write is on {}.{collection}; use the bulk_write of \
                 the client for several collections",
                on.db
            ))),
            None => check_model(model),
        };
        checked.map_err(|error| error.context(format_args!("model {index}")))
    })
}

/// # Errors
/// `InvalidArgument` if there are no models.
pub(in crate::ops) fn check_number(models: &[WriteModel]) -> Result<()> {
    match models {
        [] => Err(Error::invalid_argument("there are no models; give at least one")),
        [..] => Ok(()),
    }
}

/// Refuses an update without operators, and a replacement with them.
///
/// # Errors
/// `InvalidArgument`.
pub(in crate::ops) fn check_model(model: &WriteModel) -> Result<()> {
    match model {
        WriteModel::UpdateOne(model) => update::check_modifications(&model.update, "replace_one"),
        WriteModel::UpdateMany(model) => update::check_modifications(&model.update, "replace_one"),
        WriteModel::ReplaceOne(model) => match &model.replacement {
            ModelDocument::Document(document) => {
                replace_one::check_replacement(document, "update_one")
            }
            ModelDocument::Raw(document) => replace_one::check_replacement(document, "update_one"),
        },
        WriteModel::InsertOne(_) | WriteModel::DeleteOne(_) | WriteModel::DeleteMany(_) => Ok(()),
    }
}

/// The order of the models.
pub(super) struct Plan {
    /// The indexes of the models.
    pub(super) order: Vec<usize>,
    /// The kind and the end of each run of models of one kind.
    runs: Vec<(Kind, usize)>,
}

impl Plan {
    pub(super) fn of(models: &[WriteModel], ordered: bool) -> Self {
        let kinds: Vec<Kind> = models.iter().map(Kind::of).collect();
        let all = 0..models.len();
        let order: Vec<usize> = if ordered {
            all.collect()
        } else {
            // Models of one kind stay in the caller's order.
            let kinds = &kinds;
            let of_kind = |kind| all.clone().filter(move |index| kinds[*index] == kind);
            KINDS.into_iter().flat_map(of_kind).collect()
        };
        let mut runs: Vec<(Kind, usize)> = Vec::new();
        for (at, index) in order.iter().enumerate() {
            let kind = kinds[*index];
            match runs.last_mut() {
                Some((last, end)) if *last == kind => *end = at + 1,
                _ => runs.push((kind, at + 1)),
            }
        }
        Plan { order, runs }
    }

    /// The kind of the model at `at` in the order, and the end of its run.
    pub(super) fn run_at(&self, at: usize) -> (Kind, usize) {
        let run = self.runs.partition_point(|(_, end)| *end <= at);
        self.runs.get(run).copied().unwrap_or((Kind::Insert, self.order.len()))
    }

    /// Whether a command that starts at `at` in a run may contain a model that is not retryable.
    ///
    /// The end of the command is known only after its encoding, so this checks as many models as
    /// the largest command can have.
    pub(super) fn has_multi(&self, models: &[WriteModel], at: usize, end: usize) -> bool {
        const MAX_WRITE_BATCH_SIZE: usize = 100_000;
        let end = end.min(at.saturating_add(MAX_WRITE_BATCH_SIZE));
        self.order[at..end].iter().any(|index| models[*index].is_multi())
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;
    use crate::options::{
        DeleteManyModel, DeleteOneModel, InsertOneModel, ReplaceOneModel, UpdateOneModel,
    };

    fn models() -> Vec<WriteModel> {
        vec![
            InsertOneModel::new(doc! {}).into(),
            UpdateOneModel::new(doc! {}, doc! { "$set": { "x": 1 } }).into(),
            ReplaceOneModel::new(doc! {}, doc! {}).into(),
            InsertOneModel::new(doc! {}).into(),
            DeleteManyModel::new(doc! {}).into(),
            DeleteOneModel::new(doc! {}).into(),
        ]
    }

    #[test]
    fn ordered_plan_joins_adjacent_models_of_one_kind() {
        let plan = Plan::of(&models(), true);
        assert_eq!(plan.order, [0, 1, 2, 3, 4, 5]);
        let runs = [Kind::Insert, Kind::Update, Kind::Insert, Kind::Delete];
        assert_eq!(plan.runs, runs.into_iter().zip([1, 3, 4, 6]).collect::<Vec<_>>());
        assert_eq!(plan.run_at(2), (Kind::Update, 3));
    }

    #[test]
    fn unordered_plan_joins_all_models_of_one_kind() {
        let plan = Plan::of(&models(), false);
        assert_eq!(plan.order, [0, 3, 1, 2, 4, 5]);
        assert_eq!(plan.runs, [(Kind::Insert, 2), (Kind::Update, 4), (Kind::Delete, 6)]);
    }

    #[test]
    fn only_commands_with_multi_models_are_sent_once() {
        let (models, plan) = (models(), Plan::of(&models(), true));
        assert!(!plan.has_multi(&models, 1, 3) && plan.has_multi(&models, 4, 6));
        assert!(!plan.has_multi(&models, 5, 6));
    }
}
