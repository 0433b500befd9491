//! The macro that runs a test on both APIs.

/// Runs a test once on each API.
macro_rules! on_both_apis {
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
