//! How a test is run on both faces.

/// Runs a test once on each face.
macro_rules! on_both_faces {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn asynchronously() {
                super::cases::$name::<super::Asynchronous>();
            }

            #[test]
            fn blocking() {
                super::cases::$name::<super::Blocking>();
            }
        }
    )*};
}
