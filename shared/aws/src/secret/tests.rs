use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;

use super::{SecretError, text_of};
use crate::{Sdk, limits::Limits, sdk::Variables};

const SECRET: (u16, &str) = (200, r#"{"Name":"auth","SecretString":"hunter2"}"#);
const DENIED: (u16, &str) = (
    400,
    r#"{"__type":"AccessDeniedException","Message":"not for you"}"#,
);

/// Plays Secrets Manager: answers one after the other. With status 0 the connection is lost, with 1 nothing comes.
#[derive(Clone, Debug, Default)]
struct Played {
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    requests: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpConnector for Played {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.requests.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap();
        HttpConnectorFuture::ready(match answer {
            (0, _) => Err(ConnectorError::io("the connection is lost".into())),
            (1, _) => return HttpConnectorFuture::new(pending()),
            (status, body) => Ok(HttpResponse::new(
                status.try_into().unwrap(),
                SdkBody::from(body),
            )),
        })
    }
}

fn sdk(connector: Played) -> Sdk {
    let credentials = Credentials::new("AKID", "key", Some("session".to_owned()), None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    Sdk {
        config: config.build(),
        connector: SharedHttpConnector::new(connector),
        variables: Variables::of(|_| None),
    }
}

/// Asks for a secret, and tells what was sent as well.
async fn ask(
    answers: impl IntoIterator<Item = (u16, &'static str)>,
) -> (Result<String, SecretError>, Vec<HttpRequest>) {
    let played = Played::default();
    played.answers.lock().unwrap().extend(answers);
    let sdk = sdk(played.clone());
    let answer = sdk.secret("auth").await;
    assert!(
        played.answers.lock().unwrap().is_empty(),
        "all were fetched"
    );
    let requests = std::mem::take(&mut *played.requests.lock().unwrap());
    (answer, requests)
}

#[tokio::test]
async fn a_secret_is_asked_for_with_one_signed_request() {
    let (answer, requests) = ask([SECRET]).await;
    assert!(matches!(answer, Ok(text) if text == "hunter2"));
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.body().bytes(),
        Some(br#"{"SecretId":"auth"}"#.as_slice())
    );
    let header = |name| request.headers().get(name).unwrap_or_default();
    assert_eq!(header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(header("x-amz-target"), "secretsmanager.GetSecretValue");
    assert_eq!(header("x-amz-security-token"), "session");
    let authorization = header("authorization");
    let scope = "/eu-central-1/secretsmanager/aws4_request, ";
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"),
        "{authorization}"
    );
    assert!(authorization.contains(scope), "{authorization}");
    assert!(authorization.contains("host;x-amz-date;x-amz-security-token;x-amz-target"));
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_three_times_in_all() {
    let throttled = (
        400,
        r#"{"__type":"ThrottlingException","message":"slow down"}"#,
    );
    let (answer, requests) = ask([(0, ""), throttled, SECRET]).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(requests.len(), 3);
    let (answer, _) = ask([(503, "<html>"), (500, ""), (0, "")]).await;
    assert!(
        matches!(answer, Err(SecretError::NoAnswer(_))),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_does_not_wait_forever() {
    let begun = tokio::time::Instant::now();
    let (answer, _) = ask([(1, ""), (1, ""), (1, "")]).await;
    assert!(
        matches!(answer, Err(SecretError::NoAnswer(_))),
        "{answer:?}"
    );
    assert_eq!(begun.elapsed(), Limits::LONG.operation);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_says_why() {
    let (answer, _) = ask([DENIED]).await;
    let told = answer.map_err(|error| error.to_string());
    let expected = "Secrets Manager answers 400: AccessDeniedException: not for you";
    assert_eq!(told, Err(expected.to_owned()));
}

#[test]
fn a_refusal_says_whether_it_will_pass() {
    let cases = [
        (
            400,
            r#"{"__type":"com.amazon#ResourceNotFoundException","message":"no"}"#,
            false,
        ),
        (400, r#"{"__type":"com.amazon#ThrottlingException"}"#, true),
        (403, "", false),
        (429, "", true),
        (503, "<html>", true),
    ];
    for (status, body, passes) in cases {
        let refused = text_of(status, body.as_bytes()).map_err(|error| error.is_transient());
        assert_eq!(refused, Err(passes), "{status} {body}");
    }
}

#[test]
fn a_secret_without_a_text_is_none() {
    for body in [
        r#"{"SecretBinary":"aHVudGVyMg=="}"#,
        r#"{"SecretString":""}"#,
    ] {
        let answer = text_of(200, body.as_bytes());
        assert!(matches!(answer, Err(SecretError::NoText)), "{body}");
    }
}

#[test]
fn an_answer_that_is_no_json_does_not_show_itself() {
    let answer = text_of(200, br#"{"SecretString":"hunter2""#);
    let told = answer.map_err(|error| format!("{error:?}"));
    assert!(told.is_err_and(|text| !text.contains("hunter2")));
}
