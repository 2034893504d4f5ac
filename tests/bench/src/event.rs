//! What the functions are invoked with.

use brand::{Brand, BrandName, CloudEvent, Timestamp};
use serde_json::{Value, json};

use crate::{Error, Stage};

/// A kind of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request to the API that creates a brand, with a good token.
    CreateBrand,
    /// One that changes a brand, with a good token.
    ChangeBrand,
    /// One for a page of brands, with a good token.
    ListBrands,
    /// One to sign in.
    SignIn,
    /// One whether the API is there.
    Health,
    /// The sweep's.
    Sweep,
    /// A batch of so many messages, each of a brand that was just created.
    BrandsCreated(usize),
}

impl Event {
    /// The event's text, new each time.
    pub fn text(self, stage: &Stage) -> Result<String, Error> {
        match self {
            Self::CreateBrand => request(
                stage,
                include_str!("../../../events/api-gateway-create-brand.json"),
            ),
            Self::ChangeBrand => request(
                stage,
                include_str!("../../../events/api-gateway-update-brand.json"),
            ),
            Self::ListBrands => request(
                stage,
                include_str!("../../../events/api-gateway-list-brands.json"),
            ),
            Self::SignIn => request(
                stage,
                include_str!("../../../events/api-gateway-sign-in.json"),
            ),
            Self::Health => request(
                stage,
                include_str!("../../../events/api-gateway-health.json"),
            ),
            Self::Sweep => {
                Ok(include_str!("../../../events/scheduler-republish-brands.json").to_owned())
            }
            Self::BrandsCreated(count) => brands_created(count),
        }
    }
}

fn request(stage: &Stage, event: &str) -> Result<String, Error> {
    let mut event: Value = serde_json::from_str(event)?;
    put(
        &mut event,
        "/headers",
        "authorization",
        format!("Bearer {}", stage.token()).into(),
    )?;
    Ok(event.to_string())
}

fn brands_created(count: usize) -> Result<String, Error> {
    let batch: Value =
        serde_json::from_str(include_str!("../../../events/sqs-brand-created.json"))?;
    let message = batch.pointer("/Records/0").ok_or("a batch has a message")?;
    let name = BrandName::parse("Acme")?;
    let messages = (0..count).map(|number| {
        let brand = Brand::new(name.clone(), Timestamp::now());
        let body = serde_json::to_string(&CloudEvent::about(&brand))?;
        let mut message = message.clone();
        put(&mut message, "", "body", body.into())?;
        put(
            &mut message,
            "",
            "messageId",
            format!("message-{number}").into(),
        )?;
        Ok(message)
    });
    let messages = messages.collect::<Result<Vec<_>, Error>>()?;
    Ok(json!({ "Records": messages }).to_string())
}

fn put(within: &mut Value, place: &str, name: &str, value: Value) -> Result<(), Error> {
    let object = within.pointer_mut(place).and_then(Value::as_object_mut);
    object
        .ok_or("the event is not as expected")?
        .insert(name.to_owned(), value);
    Ok(())
}
