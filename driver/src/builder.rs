//! The builders of option structures: one setter a field, each taking what converts into the
//! field's type.
//!
//! A field of type `Option<T>` takes a `T`, an `Option<T>` or `None`; a field that is not set keeps
//! its default.

/// Writes `$builder` with a setter for each of the named fields of `$options`, which must be
/// `Default`, and `$options::builder()`.
macro_rules! builder {
    (
        $(#[$doc:meta])*
        $builder:ident builds $options:ident {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $builder {
            options: $options,
        }

        impl $builder {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](field@", stringify!($options), "::", stringify!($field), ").")]
                $(#[$field_doc])*
                pub fn $field(mut self, value: impl Into<$type>) -> Self {
                    self.options.$field = value.into();
                    self
                }
            )*

            /// The options as set so far; what was not set has its default.
            #[must_use]
            pub fn build(self) -> $options {
                self.options
            }
        }

        impl $options {
            /// Starts with every field at its default.
            pub fn builder() -> $builder {
                $builder::default()
            }
        }
    };
}
pub(crate) use builder;
