//! The metadata of each environment, and the truncation of long metadata.

use bson::{Document, doc};

use super::*;
use crate::options::ClientOptions;

/// The prose tests of the handshake specification, section "Test that environment metadata is
/// properly captured".
fn env_of(variables: &[(&str, &str)]) -> Option<Document> {
    let environment = Environment::of_variables(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    let metadata = ClientMetadata::in_environment(None, None, environment).unwrap();
    let document = read(&metadata);
    document.get_document("env").ok().cloned()
}

fn read(metadata: &ClientMetadata) -> Document {
    let document = metadata.document();
    assert!(document.as_bytes().len() <= LIMIT);
    Document::try_from(&***document).unwrap()
}

const LAMBDA: (&str, &str) = ("AWS_EXECUTION_ENV", "AWS_Lambda_java8");

#[test]
fn metadata_names_the_environment() {
    let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024");
    let region = ("AWS_REGION", "us-east-2");
    assert_eq!(
        env_of(&[LAMBDA, region, memory]),
        Some(doc! { "name": "aws.lambda", "memory_mb": 1024, "region": "us-east-2" })
    );
    assert_eq!(
        env_of(&[("FUNCTIONS_WORKER_RUNTIME", "node")]),
        Some(doc! { "name": "azure.func" })
    );
    let gcp = [
        ("K_SERVICE", "servicename"),
        ("FUNCTION_MEMORY_MB", "1024"),
        ("FUNCTION_TIMEOUT_SEC", "60"),
        ("FUNCTION_REGION", "us-central1"),
    ];
    assert_eq!(
        env_of(&gcp),
        Some(doc! {
            "name": "gcp.func", "timeout_sec": 60, "memory_mb": 1024, "region": "us-central1",
        })
    );
    assert_eq!(
        env_of(&[("VERCEL", "1"), ("VERCEL_REGION", "cdg1"), LAMBDA]),
        Some(doc! { "name": "vercel", "region": "cdg1" })
    );
    assert_eq!(env_of(&[LAMBDA, ("FUNCTIONS_WORKER_RUNTIME", "node")]), None);
    let long = "a".repeat(512);
    assert_eq!(env_of(&[LAMBDA, ("AWS_REGION", &long)]), Some(doc! { "name": "aws.lambda" }));
    assert_eq!(
        env_of(&[LAMBDA, ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "big")]),
        Some(doc! { "name": "aws.lambda" })
    );
    assert_eq!(env_of(&[("AWS_EXECUTION_ENV", "EC2")]), None);
    assert_eq!(
        env_of(&[LAMBDA, region, memory, ("KUBERNETES_SERVICE_HOST", "1")]),
        Some(doc! {
            "name": "aws.lambda", "memory_mb": 1024, "region": "us-east-2",
            "container": { "orchestrator": "kubernetes" },
        })
    );
}

fn info(name: &str, version: Option<&str>, platform: Option<&str>) -> DriverInfo {
    DriverInfo {
        name: name.into(),
        version: version.map(Into::into),
        platform: platform.map(Into::into),
    }
}

#[test]
fn libraries_are_appended_once_and_never_replaced() {
    let options = ClientOptions {
        driver_info: Some(info("library", Some("1.2"), Some("Library Platform"))),
        ..ClientOptions::default()
    };
    let metadata =
        ClientMetadata::new(options.app_name.as_deref(), options.driver_info.as_ref()).unwrap();
    metadata.append(&info("framework", None, Some(""))).unwrap();
    metadata.append(&info("framework", Some(""), None)).unwrap();
    metadata.append(&info("library", Some("1.2"), Some("Library Platform"))).unwrap();
    let document = read(&metadata);
    let driver = document.get_document("driver").unwrap();
    assert_eq!(driver.get_str("name").unwrap(), "driver|library|framework");
    assert_eq!(driver.get_str("version").unwrap(), format!("{}|1.2", env!("CARGO_PKG_VERSION")));
    assert_eq!(document.get_str("platform").unwrap(), "Rust, tokio|Library Platform");
    let error = metadata.append(&info("a|b", None, None)).unwrap_err();
    assert!(error.to_string().contains("\"a|b\""), "{error}");
}

#[test]
fn long_metadata_is_truncated_in_order() {
    let mut options = ClientOptions {
        app_name: Some("n".repeat(128)),
        driver_info: Some(info("library", Some("1.2"), Some(&"é".repeat(300)))),
        ..ClientOptions::default()
    };
    let document = read(
        &ClientMetadata::new(options.app_name.as_deref(), options.driver_info.as_ref()).unwrap(),
    );
    assert_eq!(document.get_document("application").unwrap().get_str("name").unwrap().len(), 128);
    assert!(document.get_document("driver").is_ok());
    let os: Vec<&String> = document.get_document("os").unwrap().keys().collect();
    assert_eq!(os, ["type"]);
    assert!(document.get_str("platform").unwrap().starts_with("Rust, tokio|éé"));

    options.app_name = Some("n".repeat(129));
    assert!(
        ClientMetadata::new(options.app_name.as_deref(), options.driver_info.as_ref())
            .unwrap_err()
            .to_string()
            .contains("129 bytes")
    );
}
