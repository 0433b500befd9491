//! Connection strings beyond the specification's test data.

use std::time::Duration;

use super::*;
use crate::options::{Acknowledgment, Tls};

#[test]
fn every_part_is_read() {
    let text = "mongodb://al%40ce:p%3Aw@a.example:1,[::1]:2,%2Ftmp%2Fmongodb.sock/db\
                ?replicaSet=rs&w=2&waitQueueTimeoutMS=7&waitQueueMultiple=3\
                &readPreference=secondary";
    let read = ConnectionString::parse_strictly(text).unwrap();
    let HostInfo::HostIdentifiers(hosts) = &read.host_info else { panic!("{:?}", read.host_info) };
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a.example:1", "[::1]:2", "/tmp/mongodb.sock"]);
    let options = read.options;
    let credential = options.credential.unwrap();
    assert_eq!(
        (credential.username.as_deref(), credential.password.as_deref()),
        (Some("al@ce"), Some("p:w"))
    );
    assert_eq!(credential.source.as_deref(), Some("db"));
    assert_eq!(options.write_concern.unwrap().w, Some(Acknowledgment::Nodes(2)));
    assert_eq!(options.wait_queue_timeout, Some(Duration::from_millis(7)));
    assert_eq!(options.wait_queue_multiple, Some(3));
    assert_eq!(
        options.selection_criteria.unwrap().as_read_preference().unwrap().mode(),
        "secondary"
    );
}

#[test]
fn errors_name_the_malformed_part() {
    for (text, culprit) in [
        ("", "mongodb://"),
        ("http://h/", "mongodb://"),
        ("mongodb:/h", "mongodb://"),
        ("mongodb://", "no host"),
        ("mongodb:///db", "no host"),
        ("mongodb://h:x/", "h:x"),
        ("mongodb://h:70000/", "70000"),
        ("mongodb://h:0/", "h:0"),
        ("mongodb://a,,b/", "\"\" names no host"),
        ("mongodb://[::1/", "[::1"),
        ("mongodb://%ZZ/", "%ZZ"),
        ("mongodb://%2Ftmp%2Fserver/", "/tmp/server"),
        ("mongodb://h/a%24b", "\"a$b\""),
        ("mongodb://h/?replicaSet", "replicaSet"),
        ("mongodb://h/?=a", "without a name"),
        ("mongodb://h/?appName=%f", "appName"),
        ("mongodb://h/?w=-1", "w=-1"),
        ("mongodb://@h/", "'@'"),
        ("mongodb://local host/", "' '"),
        ("mongodb://local%20host/", "' '"),
        ("mongodb://local\0host/", "'\\0'"),
        ("mongodb://a,local%00host:1/", "'\\0'"),
        ("mongodb://%2Ftmp%2Fa%00.sock/", "'\\0'"),
        ("mongodb+srv://a.b%00.c/", "'\\0'"),
        ("mongodb+srv://a. b.c/", "' '"),
        ("mongodb://h/?replicaSet=rs ", "ends with ' '"),
        ("mongodb://h ", "' '"),
        ("mongodb://h/db\n", "'\\n'"),
        ("mongodb://h/a%00b", "'\\0'"),
        ("mongodb://h/a%20b", "' '"),
        ("mongodb://h/a%22b", "'\"'"),
        ("mongodb://h/a%5Cb", "'\\\\'"),
        ("mongodb://h/a%2Fb", "'/'"),
        ("mongodb://u@h/?authSource=a%00b", "authSource"),
        ("mongodb://h/?proxyHost=pro%20xy", "proxyHost"),
    ] {
        let error = ConnectionString::parse(text).unwrap_err();
        assert!(
            matches!(error.kind(), crate::error::ErrorKind::InvalidArgument { .. }),
            "{text}: {error:?}"
        );
        assert!(error.to_string().contains(culprit), "{text}: {culprit} is not named: {error}");
    }
}

#[test]
fn warning_names_the_unknown_option() {
    let read = ConnectionString::parse("mongodb://h/?bananas=2&maxPoolSize=many").unwrap();
    let [size, unknown] = read.warnings() else { panic!("{:?}", read.warnings()) };
    assert!(unknown.contains("bananas"), "{unknown}");
    assert!(size.contains("maxPoolSize") && size.contains("many"), "{size}");
    let refused =
        ConnectionString::parse_strictly("mongodb://h/?bananas=2").unwrap_err().to_string();
    assert!(refused.contains("bananas") && refused.contains("is refused"), "{refused}");
}

#[test]
fn invalid_tls_flag_warning_tells_the_state_of_tls() {
    for (options, written, state) in [
        ("ssl=yes", "ssl", "off"),
        ("tls=yes", "tls", "off"),
        ("tls=true&ssl=yes", "ssl", "on"),
        ("tls=no&tlsCAFile=x", "tls", "on"),
    ] {
        let read = ConnectionString::parse(format!("mongodb://h/?{options}")).unwrap();
        let [warning] = read.warnings() else { panic!("{options}: {:?}", read.warnings()) };
        assert!(warning.contains(&format!("the option {written} ")), "{warning}");
        assert!(warning.ends_with(&format!("TLS is {state}")), "{warning}");
    }
}

#[test]
fn misspelt_option_gets_a_suggestion() {
    let warning = |key: &str| {
        let read = ConnectionString::parse(format!("mongodb://h/?{key}=1")).unwrap();
        let [warning] = read.warnings() else { panic!("{key}: {:?}", read.warnings()) };
        assert!(warning.contains(&format!("{key:?} is unknown")), "{warning}");
        warning.clone()
    };
    for (misspelt, meant) in [
        ("retryWritse", "retryWrites"),
        ("REPLICASTE", "replicaSet"),
        ("serverSelectionTimeout", "serverSelectionTimeoutMS"),
        ("waitQueueTimeoutMs2", "waitQueueTimeoutMS"),
        ("timeout", "timeoutMS"),
        ("maxPoolSzie", "maxPoolSize"),
        ("authSorce", "authSource"),
        ("proxyHots", "proxyHost"),
        ("tlsCaFiles", "tlsCAFile"),
    ] {
        assert!(
            warning(misspelt).ends_with(&format!("did you mean {meant}?")),
            "{}",
            warning(misspelt)
        );
    }
    for unlike in ["bananas", "x", "\u{fc}\u{fc}", "\u{0}"] {
        assert!(warning(unlike).ends_with("is ignored"), "{}", warning(unlike));
    }
}

#[test]
fn errors_name_contradictory_options() {
    for (options, culprits) in [
        ("maxPoolSize=2&minPoolSize=3", ["minPoolSize", "maxPoolSize"]),
        (
            "readPreference=primary&maxStalenessSeconds=90",
            ["maxStalenessSeconds", "readPreference"],
        ),
        ("readPreferenceTags=dc:ny", ["readPreferenceTags", "readPreference"]),
        ("readPreference=nearest&maxStalenessSeconds=89", ["maxStalenessSeconds", "90"]),
        ("w=0&journal=true", ["w=0", "journal"]),
        ("loadBalanced=true&replicaSet=a", ["loadBalanced", "replicaSet"]),
    ] {
        let error =
            ConnectionString::parse(format!("mongodb://h/?{options}")).unwrap_err().to_string();
        assert!(culprits.iter().all(|culprit| error.contains(culprit)), "{options}: {error}");
    }
}

#[test]
fn messages_never_contain_the_password() {
    for text in [
        "mongodb://al:ba@nana@h/",
        "mongodb://al:ba:nana@h/",
        "mongodb://al:ba%nana@h/",
        "mongodb://al:nana/b@h/",
        "mongodb://al:banana@h:x/",
        "mongodb://nana/al:b@h/",
        "mongodb://al:banana@h/?authMechanism=MONGODB-X509",
    ] {
        let error = ConnectionString::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("nana"), "{text}: {error}");
    }
}

#[test]
fn tls_options_enable_tls_unless_it_is_disabled() {
    let tls = |options: &str| {
        ConnectionString::parse(format!("mongodb://h/?{options}")).unwrap().options.tls
    };
    assert_eq!(tls(""), None);
    assert!(matches!(tls("tlsCAFile=ca.pem"), Some(Tls::Enabled(_))));
    assert_eq!(tls("tlsCAFile=ca.pem&tls=false"), Some(Tls::Disabled));
    let srv = ConnectionString::parse("mongodb+srv://a.b.example/").unwrap();
    assert!(matches!(srv.options.tls, Some(Tls::Enabled(_))));
}

#[test]
fn srv_name_takes_no_port_and_no_other_host() {
    for text in [
        "mongodb+srv://a.b.c:1",
        "mongodb+srv://a.b.c,d.e.f",
        "mongodb+srv://",
        "mongodb+srv://a..c",
    ] {
        assert!(ConnectionString::parse(text).is_err(), "{text}");
    }
}
