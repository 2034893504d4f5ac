//! POST /hooks/cms: the CMS says that an editor has changed an entry.
//!
//! It is a hint, and no more: nothing of it is taken in. It makes one brand due for a look, in which the CMS itself is read. What it says
//! about the entry only tells our own changes from those of editors, so that the CMS is not read after each sync.
//!
//! The request is signed: `X-Signature: t=<seconds since the Unix epoch>,v1=<hex>`, where the hex digits are the HMAC-SHA256 of
//! `<seconds>.<body>` under the secret. It counts for five minutes. A repetition asks for the same look.

use std::time::Duration;

use admin_api::{ApiError, Deadline, MAX_BODY};
use brand::{BrandId, BrandRow, CMS_SUBSCRIBER, SyncReader, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::Request;
use reconcile::{Hint, Inbox};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use telemetry::Metrics;
use tracing::{info, warn};

use crate::reconciliation::in_time;

/// The header with the signature.
const SIGNATURE: &str = "x-signature";
/// How far the time of a signature may be from ours.
const WINDOW: Duration = Duration::from_mins(5);

/// What the CMS says about an entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Hook {
    /// The brand's id, which the entry bears; none where it bears none.
    #[serde(default)]
    id: Option<String>,
    /// Its name now.
    #[serde(default)]
    name: Option<String>,
    /// Its revision now.
    #[serde(default)]
    revision: Option<String>,
    /// Whether it was deleted.
    #[serde(default)]
    deleted: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HookAnswer {
    /// Whether the CMS is looked at because of it.
    pub(crate) looks: bool,
}

/// Checks the signature of a request, in constant time.
pub(crate) fn check(request: &Request, secret: &str, now: Timestamp) -> Result<(), ApiError> {
    let header = request.headers().get(SIGNATURE);
    let header = header.and_then(|value| value.to_str().ok());
    let signature = header.and_then(Signature::parse);
    let at = signature.as_ref().and_then(Signature::at);
    let Some((signature, at)) = signature.zip(at) else {
        return Err(ApiError::Unauthorized);
    };
    let is_near = at.since(now).max(now.since(at)) <= WINDOW;
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let is_good = mac.is_ok_and(|mac| {
        let mac = mac.chain_update(signature.time).chain_update(b".");
        let mac = mac.chain_update(request.body());
        mac.verify_slice(&signature.code).is_ok()
    });
    if is_near && is_good && !secret.is_empty() {
        Ok(())
    } else {
        Err(ApiError::Unauthorized)
    }
}

struct Signature<'a> {
    /// Seconds since the Unix epoch, as they were signed.
    time: &'a str,
    code: [u8; 32],
}

impl<'a> Signature<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let (time, digits) = header.strip_prefix("t=")?.split_once(",v1=")?;
        let mut code = [0; 32];
        let pairs = digits.as_bytes().chunks(2);
        if digits.len() != 2 * code.len() {
            return None;
        }
        for (byte, pair) in code.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { time, code })
    }

    fn at(&self) -> Option<Timestamp> {
        let seconds: u64 = self.time.parse().ok()?;
        Some(Timestamp::from_millis(seconds.checked_mul(1000)?))
    }
}

/// Asks for a look, unless what the CMS says is what we have written.
pub(crate) async fn hear<B: SyncReader>(
    request: &Request,
    brands: &B,
    inbox: &dyn Inbox,
    metrics: &mut Metrics,
) -> Result<HookAnswer, ApiError> {
    let body = admin_api::body(request)?;
    if body.len() > MAX_BODY {
        return Err(ApiError::TooLarge);
    }
    let hook: Hook = serde_json::from_slice(body).map_err(|error| {
        ApiError::InvalidData(format!(
            "Invalid request: {}",
            admin_api::shown(&error.to_string())
        ))
    })?;
    let id: Option<BrandId> = hook.id.as_ref().and_then(|id| id.parse().ok());
    let hint = match id {
        Some(id) => {
            let row = admin_api::in_time(&Deadline::of(request), brands.find(id)).await?;
            if row.is_some_and(|row| is_echo(&hook, &row)) {
                metrics.add("hook_echo");
                return Ok(HookAnswer { looks: false });
            }
            Hint::brand(id)
        }
        None => Hint::entries(),
    };
    metrics.add("hook_looks");
    info!(
        hint = hint.as_str(),
        "the CMS says that an entry has changed"
    );
    let ask = async {
        if !inbox.hint(CMS_SUBSCRIBER, &hint).await? {
            warn!("too many hints wait: everything is looked at");
            let everything = reconcile::Request {
                by: "webhooks".to_owned(),
                at: Timestamp::now(),
                dry_run: false,
            };
            inbox.ask(CMS_SUBSCRIBER, &everything).await?;
        }
        Ok(HookAnswer { looks: true })
    };
    in_time(request, ask).await
}

/// Whether the entry is as we have written it, or are about to.
fn is_echo(hook: &Hook, row: &BrandRow) -> bool {
    let is_deleted = row.brand.deleted_at.is_some();
    if hook.deleted || is_deleted {
        return hook.deleted && is_deleted;
    }
    let holds = row.subscriber(CMS_SUBSCRIBER).holds;
    let holds = holds.as_ref();
    let is_known_revision = hook.revision.is_some()
        && holds.is_some_and(|held| held.revision == hook.revision && !held.unlinked);
    let is_ours = hook.name.as_deref() == Some(row.brand.name.as_str());
    let is_agreed = holds.is_some_and(|held| Some(held.shown()) == hook.name.as_deref());
    is_known_revision || is_ours || is_agreed
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use brand::{Brand, BrandName, BrandRow, CMS_SUBSCRIBER, Held, SubscriberState, Timestamp};
    use hmac::{Hmac, KeyInit, Mac};
    use lambda_http::Request;
    use sha2::Sha256;

    use super::{Hook, SIGNATURE, check, is_echo};

    const SECRET: &str = "a secret";
    const BODY: &str = r#"{"id":"x"}"#;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis((1_795_427_107 + seconds) * 1000)
    }

    fn signature(seconds: u64, body: &str, secret: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let mac = mac.chain_update(format!("{seconds}.{body}"));
        let code = mac.finalize().into_bytes();
        let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let code: String = digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        format!("t={seconds},v1={code}")
    }

    fn is_taken(header: Option<&str>, now: Timestamp) -> bool {
        let mut request = Request::new(BODY.into());
        if let Some(header) = header {
            request
                .headers_mut()
                .insert(SIGNATURE, header.parse().unwrap());
        }
        check(&request, SECRET, now).is_ok()
    }

    #[test]
    fn a_signature_counts_for_five_minutes_and_for_one_body_under_one_secret() {
        let signed = 1_795_427_107 + 1_000;
        let good = signature(signed, BODY, SECRET);
        for (now, expected) in [
            (1_000, true),
            (1_300, true),
            (1_301, false),
            (700, true),
            (699, false),
        ] {
            assert_eq!(is_taken(Some(&good), at(now)), expected, "{now}");
        }
        let now = at(1_000);
        assert!(is_taken(Some(&good.to_ascii_lowercase()), now));
        let (time, code) = good.split_once(',').unwrap();
        for bad in [
            signature(signed, r#"{"id":"y"}"#, SECRET),
            signature(signed, BODY, "another"),
            signature(signed, BODY, ""),
            format!("t={},{code}", signed + 1),
            format!("t=0{signed},{code}"),
            format!("t=+{signed},{code}"),
            format!("{code},{time}"),
            format!("{time},v1="),
            format!("{time},v1={}", "0".repeat(64)),
            format!("{time},v1={}", "g".repeat(64)),
            format!("{good}00"),
            good[..good.len() - 2].to_owned(),
            format!("t=99999999999999999999,{code}"),
            String::new(),
        ] {
            assert!(!is_taken(Some(&bad), now), "{bad}");
        }
        assert!(!is_taken(None, now));
    }

    /// Made with: `printf '%s' '1795427107.{"id":"x"}' | openssl dgst -sha256 -hmac 'a secret'`.
    #[test]
    fn a_signature_that_openssl_made_counts() {
        let code = "c72010874873aa01dd0a665ba7d41999bd0f01fd246765d283396817a83e9ee2";
        let good = format!("t=1795427107,v1={code}");
        assert!(is_taken(Some(&good), at(0)));
    }

    #[test]
    fn without_a_secret_nothing_is_taken() {
        let seconds = 1_795_427_107;
        let mut request = Request::new(BODY.into());
        let header = signature(seconds, BODY, "").parse().unwrap();
        request.headers_mut().insert(SIGNATURE, header);
        assert!(check(&request, "", at(0)).is_err());
    }

    #[test]
    fn what_we_have_written_ourselves_is_recognised() {
        let brand = Brand {
            version: 2,
            ..Brand::new(BrandName::stored("Acme"), at(0))
        };
        let held = Held {
            revision: Some("7".to_owned()),
            spelled: Some("OLD".to_owned()),
            ..Held::named("old")
        };
        let state = SubscriberState {
            reached: 1,
            holds: Some(held),
            ..SubscriberState::default()
        };
        let mut row = BrandRow::from(brand);
        row.subscribers.insert(CMS_SUBSCRIBER.to_owned(), state);
        let hook = |name: Option<&str>, revision: Option<&str>, deleted| Hook {
            id: None,
            name: name.map(str::to_owned),
            revision: revision.map(str::to_owned),
            deleted,
        };
        let is = |hook: Hook, row: &BrandRow| is_echo(&hook, row);
        assert!(is(hook(Some("Acme"), None, false), &row), "on its way");
        assert!(is(hook(Some("OLD"), None, false), &row), "as agreed");
        assert!(is(hook(None, Some("7"), false), &row));
        assert!(is(hook(Some("other"), Some("7"), false), &row));
        assert!(!is(hook(Some("other"), Some("8"), false), &row));
        assert!(
            !is(hook(Some("old"), None, false), &row),
            "in another spelling"
        );
        assert!(!is(hook(None, None, false), &row));
        assert!(!is(hook(Some("Acme"), Some("7"), true), &row));
        row.brand.deleted_at = Some(at(1));
        assert!(is(hook(None, None, true), &row));
        assert!(!is(hook(Some("Acme"), Some("7"), false), &row));
    }
}
