//! What create-brand does of its own between the event and the two calls, piece by piece.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::{hint::black_box, time::SystemTime};

use admin_api::BrandRequest;
use auth::{Actor, Identity, Tokens};
use brand::{Brand, BrandName, CloudEvent, Timestamp};
use config::Secret;
use criterion::{Criterion, criterion_group, criterion_main};
use lambda_http::Body;

const EVENT: &str = include_str!("../../../events/api-gateway-create-brand.json");

fn token_check(criterion: &mut Criterion) {
    let secret = Secret::new("a-secret-that-is-long-enough-to-sign-with");
    let tokens = Tokens::signed_with(&secret).unwrap();
    let identity = Identity {
        actor: Actor::of("user_01").unwrap(),
        auth_identity_id: "authid_01".to_owned(),
        password_version: 1,
    };
    let now = SystemTime::now();
    let token = tokens.issue(&identity, now).unwrap();
    criterion.bench_function("token check", |bencher| {
        bencher.iter(|| tokens.check(black_box(&token), now).unwrap());
    });
}

fn validation(criterion: &mut Criterion) {
    let longest = "ä".repeat(255);
    let mut group = criterion.benchmark_group("validation");
    group.bench_function("of a request's body", |bencher| {
        let body = Body::from(r#"{"name":"Acme"}"#);
        bencher.iter(|| BrandRequest::parse(black_box(&body)).unwrap());
    });
    group.bench_function("of the longest name", |bencher| {
        bencher.iter(|| BrandName::parse(black_box(longest.as_str())).unwrap());
    });
    group.finish();
}

fn json(criterion: &mut Criterion) {
    let brand = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    let mut group = criterion.benchmark_group("JSON");
    group.bench_function("API Gateway's event", |bencher| {
        bencher.iter(|| lambda_http::request::from_str(black_box(EVENT)).unwrap());
    });
    group.bench_function("the announced event", |bencher| {
        bencher.iter(|| serde_json::to_string(&CloudEvent::about(black_box(&brand))).unwrap());
    });
    group.bench_function("the answer", |bencher| {
        bencher.iter(|| admin_api::brand(black_box(&brand)).unwrap());
    });
    group.finish();
}

criterion_group!(request, token_check, validation, json);
criterion_main!(request);
