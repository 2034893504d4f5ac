//! Which fields of a brand are answered.

use std::collections::BTreeSet;

use admin_api::{ApiError, SyncResponse};
use brand::{ListedBrand, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// A field that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Id,
    Name,
    Products,
    CreatedAt,
    UpdatedAt,
    DeletedAt,
    Sync,
}

impl Field {
    /// Products are other entities, of which all fields are asked for by an asterisk.
    fn named(name: &str) -> Option<Self> {
        match name {
            "id" => Some(Self::Id),
            "name" => Some(Self::Name),
            "products" | "*products" | "products.*" => Some(Self::Products),
            "created_at" => Some(Self::CreatedAt),
            "updated_at" => Some(Self::UpdatedAt),
            "deleted_at" => Some(Self::DeletedAt),
            "sync" | "*sync" | "sync.*" => Some(Self::Sync),
            _ => None,
        }
    }
}

/// The fields that are answered; the id is always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields(BTreeSet<Field>);

impl Fields {
    /// What a list shows unless it is asked for something else: the defaults of the route in Medusa's guide.
    pub(crate) const OF_LIST: [Field; 3] = [Field::Id, Field::Name, Field::Products];
    /// What is shown of one brand: as creating it answers.
    pub(crate) const OF_ONE: [Field; 5] = [
        Field::Id,
        Field::Name,
        Field::CreatedAt,
        Field::UpdatedAt,
        Field::DeletedAt,
    ];

    /// Reads the parameter `fields`, as Medusa does: where each of the names has a sign, they add to the defaults (`+`, which
    /// arrives as a space where it is not encoded, or an asterisk) or take from them (`-`); where one has none, they are asked
    /// for instead, whatever sign the others have. To take what is not there changes nothing.
    ///
    /// Source, in the repository medusajs/medusa: `packages/core/framework/src/http/utils/field-filtering/field-parser.ts`.
    pub(crate) fn parse(
        parameter: Option<&str>,
        defaults: impl IntoIterator<Item = Field>,
    ) -> Result<Self, ApiError> {
        let defaults = defaults.into_iter().collect();
        let Some(parameter) = parameter else {
            return Ok(Self(defaults));
        };
        let names: Vec<&str> = parameter
            .split(',')
            .filter(|name| !name.is_empty())
            .collect();
        let is_change = !names.is_empty() && names.iter().all(|name| has_sign(name));
        let mut fields = if is_change { defaults } else { BTreeSet::new() };
        let mut unknown = Vec::new();
        for name in names {
            let bare = name.trim_start_matches(['+', ' ', '\t', '-']).trim();
            match Field::named(bare) {
                field if is_change && name.starts_with('-') => {
                    field.map(|field| fields.remove(&field));
                }
                Some(field) => {
                    fields.insert(field);
                }
                // Of an asterisk alone nothing is left: then it is named as it came.
                None => {
                    let stem = bare.trim_start_matches('*').trim_end_matches(".*");
                    unknown.push(if stem.is_empty() { name } else { stem });
                }
            }
        }
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            return Err(ApiError::InvalidData(format!(
                "Requested fields [{unknown}] are not valid"
            )));
        }
        fields.insert(Field::Id);
        Ok(Self(fields))
    }

    /// Whether it takes the brand's row to answer them.
    pub(crate) fn need_row(&self) -> bool {
        self.0.contains(&Field::Sync)
    }

    /// These fields of that brand. `sync` is shown where it is given.
    pub(crate) fn of(
        &self,
        brand: &ListedBrand,
        deleted_at: Option<Timestamp>,
        sync: Option<SyncResponse>,
    ) -> ShownBrand {
        let has = |field| self.0.contains(&field);
        ShownBrand {
            id: brand.id.to_string(),
            name: has(Field::Name).then(|| brand.name.to_string()),
            products: has(Field::Products).then_some([]),
            created_at: has(Field::CreatedAt).then(|| brand.created_at.to_string()),
            updated_at: has(Field::UpdatedAt).then(|| brand.updated_at.to_string()),
            deleted_at: has(Field::DeletedAt).then(|| deleted_at.map(|at| at.to_string()).into()),
            sync: sync.filter(|_| has(Field::Sync)),
        }
    }
}

fn has_sign(name: &str) -> bool {
    name.starts_with(['+', ' ', '-', '*']) || name.ends_with(".*")
}

/// The fields of a brand that were asked for.
#[derive(Serialize)]
pub(crate) struct ShownBrand {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// No brand has any: products are not linked to brands here.
    #[serde(skip_serializing_if = "Option::is_none")]
    products: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    /// Null but for a deleted brand, which only some lists show.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<SyncResponse>,
}

#[cfg(test)]
mod tests {
    use admin_api::ApiError;

    use super::{Field, Fields};

    fn parsed(parameter: &str) -> Result<Vec<Field>, ApiError> {
        let fields = Fields::parse(Some(parameter), Fields::OF_LIST);
        fields.map(|Fields(fields)| fields.into_iter().collect())
    }

    #[test]
    fn names_without_a_sign_replace_the_defaults_and_the_id_stays() {
        assert_eq!(parsed("name"), Ok(vec![Field::Id, Field::Name]));
        assert_eq!(parsed("created_at,"), Ok(vec![Field::Id, Field::CreatedAt]));
        assert_eq!(parsed(""), Ok(vec![Field::Id]));
        // One without a sign is enough.
        assert_eq!(
            parsed("+name,created_at"),
            Ok(vec![Field::Id, Field::Name, Field::CreatedAt])
        );
    }

    #[test]
    fn names_with_a_sign_change_the_defaults() {
        let with_time = Ok(vec![
            Field::Id,
            Field::Name,
            Field::Products,
            Field::CreatedAt,
        ]);
        assert_eq!(parsed("+created_at"), with_time);
        assert_eq!(parsed(" created_at"), with_time, "the plus as it arrives");
        assert_eq!(parsed("-products,-id"), Ok(vec![Field::Id, Field::Name]));
        for products in ["*products", "products.*", "+products"] {
            assert_eq!(parsed(products), Ok(Fields::OF_LIST.to_vec()), "{products}");
        }
        assert_eq!(parsed("-nosuch"), Ok(Fields::OF_LIST.to_vec()));
    }

    #[test]
    fn unknown_fields_are_named_in_medusas_words() {
        let refused = |message: &str| Err(ApiError::InvalidData(message.to_owned()));
        let expected = refused("Requested fields [nosuch, products.id] are not valid");
        assert_eq!(parsed("nosuch,name,products.id"), expected);
        assert_eq!(
            parsed("+nosuch,*owners"),
            refused("Requested fields [nosuch, owners] are not valid")
        );
        let expected = refused("Requested fields [*, .*] are not valid");
        assert_eq!(parsed("*,.*"), expected);
    }
}
