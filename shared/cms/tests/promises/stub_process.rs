//! The program `cms-stub`: how it starts, what it prints, how it ends.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::bench::{KEY, PATIENT, brand, client, listener};

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cms-stub"));
    command
        .env_clear()
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    command
}

async fn started(variables: &[(&str, &str)]) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut child = command(variables).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap().to_owned();
    (child, lines, url)
}

async fn signal(child: &Child, signal: &str) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().await;
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn it_says_where_it_listens_logs_each_request_as_it_comes_and_ends_well_at_a_signal() {
    for name in ["-TERM", "-INT"] {
        let (mut child, mut lines, url) =
            started(&[("CMS_STUB_ADDRESS", "127.0.0.1:0"), ("CMS_API_KEY", KEY)]).await;
        let cms = client(&url, PATIENT);
        cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
        for expected in [
            "info: Sending a POST request to /brands.",
            "info: Request Data: {",
            "  \"id\": \"b1\",",
            "  \"name\": \"Acme\"",
            "}",
            "info: API Key: ***",
        ] {
            assert_eq!(lines.next_line().await.unwrap().unwrap(), expected);
        }
        signal(&child, name).await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "stopped");
        assert!(child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_request_that_hangs_does_not_keep_it_from_ending() {
    let (mut child, mut lines, url) = started(&[
        ("CMS_STUB_ADDRESS", "127.0.0.1:0"),
        (
            "CMS_STUB_FAULTS",
            r#"[{"operation":"create","kind":"hang","when":"before"}]"#,
        ),
    ])
    .await;
    let cms = client(&url, PATIENT);
    let acme = brand("b1", "Acme");
    let hanging = cms.create_brand(&acme, "run");
    let ended = async {
        let line = lines.next_line().await.unwrap().unwrap();
        assert_eq!(line, "info: Sending a POST request to /brands.");
        signal(&child, "-TERM").await;
        child.wait().await.unwrap()
    };
    let (answer, ended) = tokio::join!(hanging, ended);
    assert!(answer.unwrap_err().is_transient());
    assert!(ended.success());
}

#[tokio::test]
async fn it_reports_every_problem_of_its_configuration_and_does_not_start() {
    let output = command(&[
        ("CMS_STUB_ADDRESS", "localhost"),
        ("CMS_API_KEY", "with spaces"),
        ("CMS_STUB_FAULTS", "{}"),
    ])
    .output()
    .await
    .unwrap();
    assert!(!output.status.success());
    let problems = String::from_utf8(output.stderr).unwrap();
    for name in ["CMS_STUB_ADDRESS: ", "CMS_API_KEY: ", "CMS_STUB_FAULTS: "] {
        assert!(problems.contains(name), "{problems}");
    }
    assert!(!problems.contains("with spaces"));
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_what_to_do() {
    let (_taken, address) = listener().await;
    let output = command(&[("CMS_STUB_ADDRESS", &address.to_string())])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let problem = String::from_utf8(output.stderr).unwrap();
    let expected = format!("cannot listen on {address}: Address already in use");
    assert!(problem.starts_with(&expected), "{problem}");
    assert!(problem.contains("CMS_STUB_ADDRESS"), "{problem}");
}
